/**
 * The value under the cursor, read from the tiles that are here, and lengths.
 */

import {scaleOf} from './pyramid.js';

/**
 * @typedef {object} Reading
 * @property {number} x             pixel of the scan
 * @property {number} y
 * @property {number[]|null} values transmission of each channel, or 0 to 255 of each colour; null where nothing is here yet
 * @property {number|null} arealDensity   g/cm2, of the material that the picture's table is for
 * @property {boolean} atLeast      whether it may be more, since the table ends
 * @property {string|null} material
 * @property {number|null} level    from which it was read; 0 is the scan itself
 */

/**
 * Read the picture at a point.
 * @param {import('./types.js').Description} description
 * @param {import('./tilestore.js').TileStore} store
 * @param {import('./types.js').Point} point image coordinates
 * @returns {Reading|null} null outside the picture
 */
export function readAt(description, store, point) {
  const [x, y] = [Math.floor(point.x), Math.floor(point.y)];
  if (x < 0 || y < 0 || x >= description.width || y >= description.height) {
    return null;
  }
  for (let level = 0; level < description.levels.length; level += 1) {
    const values = valuesAt(description, store, level, x, y);
    if (values !== null) {
      return {x, y, values, level, ...densityOf(description, values[0])};
    }
  }
  return {x, y, values: null, level: null, ...NO_DENSITY};
}

const NO_DENSITY = {arealDensity: null, atLeast: false, material: null};

function valuesAt(description, store, level, x, y) {
  const column = Math.floor(x / scaleOf(level));
  const row = Math.floor(y / scaleOf(level));
  const {tile: side, apron, channels, kind} = description;
  const tile = store.find({level, column: Math.floor(column / side), row: Math.floor(row / side)});
  if (tile === null) {
    return null;
  }
  const at = channels * ((apron + (row % side)) * tile.width + apron + (column % side));
  const values = Array.from(tile.values.subarray(at, at + channels));
  return kind === 'transmission' ? values.map((value) => value / 65535) : values;
}

/**
 * Return the areal density behind a transmission, interpolated on its logarithm, on which it is almost a line.
 * @param {import('./types.js').Description} description
 * @param {number} transmission of channel 0
 * @returns {{arealDensity: number|null, atLeast: boolean, material: string|null}}
 */
export function densityOf({areal_density: table}, transmission) {
  if (!table) {
    return NO_DENSITY;
  }
  const {transmission: falling, g_cm2: rising, material} = table;
  const last = falling.length - 1;
  if (transmission >= falling[0]) {
    return {arealDensity: rising[0], atLeast: false, material};
  }
  if (transmission <= falling[last]) {
    return {arealDensity: rising[last], atLeast: transmission < falling[last], material};
  }
  const next = falling.findIndex((value) => value < transmission);
  const [thin, thick] = [Math.log(falling[next - 1]), Math.log(Math.max(falling[next], 1e-12))];
  const share = (thin - Math.log(transmission)) / (thin - thick);
  return {arealDensity: rising[next - 1] + share * (rising[next] - rising[next - 1]), atLeast: false, material};
}

/**
 * Return the length of a line.
 * @param {import('./types.js').Description} description
 * @param {import('./types.js').Point} from image coordinates
 * @param {import('./types.js').Point} to
 * @returns {{pixels: number, mm: number|null}} mm null where the pitch is not known
 */
export function lengthOf({pixel_pitch_mm: pitch}, from, to) {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  return {pixels: Math.hypot(dx, dy), mm: pitch ? Math.hypot(dx * pitch[0], dy * pitch[1]) : null};
}
