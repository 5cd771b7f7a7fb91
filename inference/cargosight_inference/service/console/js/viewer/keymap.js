/**
 * The keys of the viewer, as data: pages list them in their help, and may hand over others.
 *
 * Letters go by what stands on the key, digits by their place, so that both work on any keyboard. Keys together with Ctrl,
 * Alt or Meta are left to the browser.
 */

/**
 * @typedef {object} KeyBinding
 * @property {string} keys          as shown to people
 * @property {string} [code]        of KeyboardEvent.code; also that of the number pad where it is a digit
 * @property {string} [key]         of KeyboardEvent.key, letters in lower case
 * @property {boolean} [shift]      whether Shift must be down; where it is not said, Shift does not matter
 * @property {string} action
 * @property {string} [argument]    of the action: the name of a filter
 * @property {'hold'|'press'|'repeat'} mode   hold: while it is held, and a double tap or Shift latches it; repeat: again
 *     and again
 * @property {'page'|'viewer'} scope   page: wherever the focus is, but where text is typed; viewer: not in controls that
 *     use the arrow keys themselves either
 * @property {string} text          message key of what it does
 */

const filter = (digit, name) => ({
  keys: digit, code: `Digit${digit}`, action: 'filter', argument: name, mode: 'hold', scope: 'page',
  text: `viewer.filter.${name}`,
});
const press = (key, action) => ({
  keys: key.toUpperCase(), key, action, mode: 'press', scope: 'page', text: `viewer.key.${action}`,
});
const arrow = (name, sign, action, shift) => ({
  keys: shift ? `Shift ${sign}` : sign, key: `Arrow${name}`, shift, action, mode: 'repeat', scope: 'viewer',
  text: `viewer.key.${action}`,
});

/** @type {readonly KeyBinding[]} */
export const KEYMAP = Object.freeze([
  filter('1', 'high_penetration'),
  filter('2', 'low_penetration'),
  filter('3', 'edge'),
  filter('4', 'local_contrast'),
  filter('5', 'invert'),
  filter('6', 'pseudocolour'),
  filter('6', 'grey'), // no picture has both
  filter('7', 'organic_strip'),
  filter('8', 'metal_strip'),
  {keys: '0', code: 'Digit0', action: 'reset', mode: 'press', scope: 'page', text: 'viewer.key.reset'},
  {keys: 'H', key: 'h', action: 'hide', mode: 'hold', scope: 'page', text: 'viewer.key.hide'},
  press('t', 'heat'),
  press('o', 'opaque'),
  press('.', 'nextFinding'),
  press(',', 'previousFinding'),
  press('f', 'fit'),
  press('a', 'oneToOne'),
  {keys: '+', key: '+', action: 'zoomIn', mode: 'repeat', scope: 'page', text: 'viewer.key.zoomIn'},
  {keys: '−', key: '-', action: 'zoomOut', mode: 'repeat', scope: 'page', text: 'viewer.key.zoomOut'},
  press('l', 'loupe'),
  press('q', 'rotateLeft'),
  press('e', 'rotateRight'),
  press('x', 'flipX'),
  press('y', 'flipY'),
  press('m', 'measure'),
  press('b', 'draw'),
  arrow('Left', '←', 'panLeft', false),
  arrow('Right', '→', 'panRight', false),
  arrow('Up', '↑', 'panUp', false),
  arrow('Down', '↓', 'panDown', false),
  arrow('Up', '↑', 'brighter', true),
  arrow('Down', '↓', 'darker', true),
  arrow('Right', '→', 'softer', true),
  arrow('Left', '←', 'harder', true),
  {keys: 'Esc', key: 'escape', action: 'cancel', mode: 'press', scope: 'page', text: 'viewer.key.cancel'},
].map((binding) => Object.freeze(binding)));

/**
 * Return the bindings of an event, of which the first that can be used counts.
 * @param {readonly KeyBinding[]} keymap
 * @param {KeyboardEvent} event
 * @returns {KeyBinding[]}
 */
export function bindingsOf(keymap, event) {
  const code = event.code.replace(/^Numpad(\d)$/, 'Digit$1');
  let key = event.key.toLowerCase();
  if (event.key.length === 1 && event.key.charCodeAt(0) > 127 && /^Key[A-Z]$/.test(event.code)) {
    key = event.code.slice(3).toLowerCase(); // another script: the place of the Latin letter
  }
  return keymap.filter((binding) => (
    (binding.code === undefined ? binding.key?.toLowerCase() === key : binding.code === code)
    && (binding.shift === undefined || binding.shift === event.shiftKey)));
}
