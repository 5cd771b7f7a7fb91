/**
 * Which tiles of the picture cover what, in image coordinates.
 */

/**
 * @typedef {{level: number, column: number, row: number}} TileName
 */

// A level may be enlarged by 2 ** 0.25 before the next finer one is shown: a fifth less sharp, at half the tiles.
const LENIENCE = 0.25;

/**
 * Return the key of a tile.
 * @param {TileName} tile
 * @returns {string}
 */
export function keyOf({level, column, row}) {
  return `${level}/${column}/${row}`;
}

/**
 * Return the level to show at a zoom.
 * @param {import('./types.js').Description} description
 * @param {number} zoom device pixels of an image pixel
 * @returns {number}
 */
export function levelAt(description, zoom) {
  const wanted = Math.floor(Math.log2(1 / zoom) + LENIENCE);
  return Math.min(description.levels.length - 1, Math.max(0, wanted));
}

/**
 * Return how many image pixels a pixel of a level spans both ways; the last of a row and column may hang over the edge.
 * @param {number} level
 * @returns {number}
 */
export function scaleOf(level) {
  return 2 ** level;
}

/**
 * Return the size of a tile's core in pixels of its level.
 * @param {import('./types.js').Description} description
 * @param {TileName} tile
 * @returns {{width: number, height: number}}
 */
export function coreOf(description, {level, column, row}) {
  const {width, height} = description.levels[level];
  const side = description.tile;
  return {width: Math.min(side, width - side * column), height: Math.min(side, height - side * row)};
}

/**
 * Return the box of a tile's core in image coordinates, as far as it lies in the image.
 * @param {import('./types.js').Description} description
 * @param {TileName} tile
 * @returns {import('./types.js').Box}
 */
export function boxOf(description, tile) {
  const side = description.tile * scaleOf(tile.level);
  const [left, top] = [tile.column * side, tile.row * side];
  return [left, top, Math.min(left + side, description.width), Math.min(top + side, description.height)];
}

/**
 * Return the tiles of a level that touch a box, those next to its middle first.
 * @param {import('./types.js').Description} description
 * @param {number} level
 * @param {import('./types.js').Box} box image coordinates; may reach beyond the image
 * @param {number} [ring] further tiles around them
 * @returns {TileName[]}
 */
export function tilesIn(description, level, [x1, y1, x2, y2], ring = 0) {
  const {columns, rows} = description.levels[level];
  const side = description.tile * scaleOf(level);
  if (x2 <= 0 || y2 <= 0 || x1 >= description.width || y1 >= description.height) {
    return [];
  }
  const tiles = [];
  const lastColumn = Math.min(columns - 1, Math.ceil(x2 / side) - 1 + ring);
  const lastRow = Math.min(rows - 1, Math.ceil(y2 / side) - 1 + ring);
  for (let row = Math.max(0, Math.floor(y1 / side) - ring); row <= lastRow; row += 1) {
    for (let column = Math.max(0, Math.floor(x1 / side) - ring); column <= lastColumn; column += 1) {
      tiles.push({level, column, row});
    }
  }
  const middle = {x: (x1 + x2) / (2 * side) - 0.5, y: (y1 + y2) / (2 * side) - 0.5};
  const distance = (tile) => Math.hypot(tile.column - middle.x, tile.row - middle.y);
  return tiles.sort((one, other) => distance(one) - distance(other));
}
