/** Elements made by code. Text is only ever put in as text, so that nothing from outside becomes markup. */

/**
 * Make an element.
 * @param {string} tag
 * @param {object|null} options `class`, `text`, `data` and `aria` (objects), `on` (listeners by event); any other key
 *     is an attribute: true sets it empty, false and null leave it out.
 * @param {...(Node|string|Array|null)} children strings become text; null is left out.
 * @returns {HTMLElement}
 */
export function el(tag, options = null, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(options ?? {})) set(element, name, value);
  fill(element, children);
  return element;
}

/** Replace what an element holds. */
export function put(element, ...children) {
  element.replaceChildren();
  fill(element, children);
  return element;
}

/** Set the text of an element where it differs: a live region that is written again would be read again. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Text from outside, kept apart from the direction of writing around it. */
export function outside(text) {
  return el('bdi', {text: text ?? ''});
}

function set(element, name, value) {
  if (name === 'text') element.textContent = value;
  else if (name === 'class') element.className = value;
  else if (name === 'data') Object.assign(element.dataset, value);
  else if (name === 'aria') {
    for (const [key, state] of Object.entries(value)) {
      if (state !== null) element.setAttribute(`aria-${key}`, String(state));
    }
  } else if (name === 'on') {
    for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
  } else if (value === true) element.setAttribute(name, '');
  else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
}

function fill(element, children) {
  for (const child of children.flat(3)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}
