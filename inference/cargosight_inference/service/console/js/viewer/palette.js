/**
 * Colours and lines of findings. The colours are those of Okabe and Ito (Color Universal Design, 2008), as in
 * cargosight_inference.overlay; the kind of a finding is told by its line, its class by its label, never by colour alone.
 */

const PALETTE = Object.freeze([
  [230, 159, 0], // orange
  [86, 180, 233], // sky blue
  [0, 158, 115], // bluish green
  [240, 228, 66], // yellow
  [0, 114, 178], // blue
  [213, 94, 0], // vermillion
  [204, 121, 167], // reddish purple
]);
const WHITE = [255, 255, 255];
const KIND_COLOURS = {anomaly: WHITE, dense: [165, 165, 165], declared: WHITE};
const INK_LIMIT = 105; // luminance from which black is read better than white

/** Dashes by kind, in line widths; what an operator drew, and what is below the thresholds, say so in their labels, too. */
const DASHES = {item: null, anomaly: [1, 1.5], dense: [7, 2], declared: [7, 2, 1, 2], drawn: [3.5, 2], below: [4, 4]};

/**
 * Return the colour of a finding.
 * @param {string} kind
 * @param {string} label
 * @param {string[]} classes        of the model, in its order
 * @returns {number[]} red, green, blue
 */
export function colourOf(kind, label, classes) {
  const place = classes.indexOf(label);
  // A class that the model does not have, as an operator may draw, has a colour of its own all the same.
  const number = place >= 0 ? place : [...label ?? ''].reduce((sum, letter) => sum + letter.codePointAt(0), 0);
  return KIND_COLOURS[kind] ?? PALETTE[number % PALETTE.length];
}

/**
 * Return a colour as an attribute says it.
 * @param {number[]} colour
 * @returns {string}
 */
export function inWords([red, green, blue]) {
  return `rgb(${red},${green},${blue})`;
}

/**
 * Return black or white, whichever is read better on a ground.
 * @param {number[]} ground
 * @returns {string}
 */
export function inkOn([red, green, blue]) {
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > INK_LIMIT ? '#000' : '#fff';
}

/**
 * Return the dashes of a kind's line.
 * @param {string} kind
 * @param {number} width of the line
 * @returns {string} of the attribute stroke-dasharray
 */
export function dashesOf(kind, width) {
  const dashes = DASHES[kind] ?? null;
  return dashes === null ? 'none' : dashes.map((length) => length * width).join(' ');
}
