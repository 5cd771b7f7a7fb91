/**
 * Making and changing SVG elements, by attributes alone: a style attribute would be refused by the content policy.
 */

const SVG = 'http://www.w3.org/2000/svg';

/**
 * Make an SVG element.
 * @param {string} tag
 * @param {Object<string, string|number>} [attributes]
 * @param {SVGElement[]} [children]
 * @returns {SVGElement}
 */
export function shape(tag, attributes = {}, children = []) {
  const element = document.createElementNS(SVG, tag);
  assign(element, attributes);
  element.append(...children);
  return element;
}

/**
 * Set attributes where they differ.
 * @param {SVGElement} element
 * @param {Object<string, string|number>} attributes
 */
export function assign(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    const text = typeof value === 'number' ? String(Math.round(value * 100) / 100) : value;
    if (element.getAttribute(name) !== text) {
      element.setAttribute(name, text);
    }
  }
}

/**
 * Show or hide an element.
 * @param {SVGElement} element
 * @param {boolean} on
 */
export function show(element, on) {
  if (on) {
    element.removeAttribute('display');
  } else {
    element.setAttribute('display', 'none');
  }
}

/**
 * Return the attributes of a rectangle.
 * @param {import('./types.js').Box} box on the screen
 * @param {number} [out] by how much it is larger on every side
 * @returns {{x: number, y: number, width: number, height: number}}
 */
export function rectangle([x1, y1, x2, y2], out = 0) {
  return {x: x1 - out, y: y1 - out, width: Math.max(0, x2 - x1 + 2 * out), height: Math.max(0, y2 - y1 + 2 * out)};
}

/**
 * @typedef {object} Lettering
 * @property {number} size          CSS pixels of a letter's height
 * @property {number} unit          by how much spaces are wider than on a small screen
 * @property {number} stroke        by how much lines are thicker than on a small screen
 * @property {(text: string) => number} measure   width of a text in CSS pixels
 */

const SMALL = 12.5; // CSS pixels of letters on the smallest screen
const SMALL_SCREEN = [1366, 768]; // CSS pixels
const LINE = 2; // CSS pixels of a box's line there

/**
 * Return the letters that the style sheet gives an element.
 * @param {Element} element
 * @returns {Lettering}
 */
export function letteringOf(element) {
  const {fontSize, fontFamily, fontWeight} = getComputedStyle(element);
  const pen = document.createElement('canvas').getContext('2d');
  pen.font = `${fontWeight} ${fontSize} ${fontFamily}`;
  const size = parseFloat(fontSize) || SMALL; // none while it is in no page
  return {size, unit: Math.max(1, size / SMALL), stroke: strokeOf(window), measure: (text) => pen.measureText(text).width};
}

/**
 * Return by how much lines are thicker than on a small screen: they keep their share of the screen, of which letters are
 * given less, and a box's line is whole pixels of the screen.
 * @param {{innerWidth: number, innerHeight: number, devicePixelRatio: number}} screen
 * @returns {number} 1 or more, but for rounding
 */
export function strokeOf({innerWidth, innerHeight, devicePixelRatio: ratio}) {
  const share = Math.max(1, Math.min(innerWidth / SMALL_SCREEN[0], innerHeight / SMALL_SCREEN[1]));
  return Math.round(LINE * share * ratio) / (LINE * ratio);
}
