/**
 * Where labels go: beside their box, never on a box or on each other. Rectangles are [x1, y1, x2, y2] on the screen.
 */

const RINGS = 6; // label heights away from its box that a label may be before it goes to the edge of the view
const FRAME_SHARE = 0.5; // of the view: larger boxes are frames around the load, and what is inside them is free

/**
 * @typedef {import('./types.js').Box} Rectangle
 *
 * @typedef {object} LabelWanted
 * @property {Rectangle} box        on the screen; may reach beyond it
 * @property {number} width
 * @property {number} height
 * @property {string|null} [slot]   where it was last: kept where it is still free, so that labels do not jump
 *
 * @typedef {object} LabelPlace
 * @property {Rectangle} rectangle
 * @property {boolean} detached     whether it is away from its box and needs a line to it
 * @property {string} slot
 */

/**
 * Place one label for each box.
 *
 * A label goes to the first free place around its box: above, below, beside, then further out, then along the view's right
 * edge. Free means inside the area, on no box and on no label. A frame's label may lie inside it, since all is inside it.
 *
 * @param {LabelWanted[]} wanted    the most important first
 * @param {Rectangle[]} obstacles   boxes without a label
 * @param {Rectangle} area
 * @param {number} gap              least distance of a label from its box
 * @returns {(LabelPlace|null)[]}   null where no place is left
 */
export function placeLabels(wanted, obstacles, area, gap) {
  const most = FRAME_SHARE * sizeOf(area);
  const boxes = wanted.map(({box}) => intersection(box, area));
  const blocked = [...boxes, ...obstacles].filter((box) => box !== null && sizeOf(box) <= most);
  return wanted.map((label, index) => {
    const box = boxes[index];
    if (box === null) {
      return null;
    }
    const free = (rectangle) => isInside(rectangle, area) && !blocked.some((each) => overlap(each, rectangle));
    const place = placeOf(label, box, sizeOf(box) > most, area, gap, free);
    if (place !== null) {
      blocked.push(place.rectangle);
    }
    return place;
  });
}

function placeOf(label, box, isFrame, area, gap, free) {
  let first = null;
  for (const place of placesAround(box, label, isFrame, gap)) {
    if (free(place.rectangle)) {
      if (place.slot === label.slot || !label.slot) {
        return place;
      }
      first ??= place;
    }
  }
  return first ?? placeAtEdge(label, box, area, gap, free);
}

function* placesAround([x1, y1, x2, y2], {width, height}, isFrame, gap) {
  const middleX = (x1 + x2 - width) / 2;
  const middleY = (y1 + y2 - height) / 2;
  for (let ring = 0; ring <= RINGS; ring += 1) {
    const away = gap + ring * height;
    const [above, below] = [y1 - away - height, y2 + away];
    const [left, right] = [x1 - away - width, x2 + away];
    const corners = [above, below].flatMap((y) => [x1, x2 - width, middleX].map((x) => [x, y]));
    corners.push(...[right, left].flatMap((x) => [y1, y2 - height, middleY].map((y) => [x, y])));
    if (ring > 0) {
      corners.push(...[above, below].flatMap((y) => [left, right].map((x) => [x, y])));
    }
    if (isFrame) {
      const inside = [y1 + away, y2 - away - height];
      corners.push(...inside.flatMap((y) => [x1 + gap, x2 - gap - width, middleX].map((x) => [x, y])));
    }
    for (const [number, [x, y]] of corners.entries()) {
      yield {rectangle: [x, y, x + width, y + height], detached: ring > 0 && !isFrame, slot: `${ring}:${number}`};
    }
  }
}

/** The free place at the right edge that is nearest to the height of a box. */
function placeAtEdge({width, height}, [, y1, , y2], area, gap, free) {
  const left = area[2] - width;
  const middle = (y1 + y2 - height) / 2;
  const step = height + gap;
  const steps = Math.ceil((area[3] - area[1]) / step);
  for (let number = 0; number <= 2 * steps; number += 1) {
    const away = Math.ceil(number / 2) * (number % 2 === 0 ? 1 : -1);
    const top = middle + away * step;
    const rectangle = [left, top, left + width, top + height];
    if (free(rectangle)) {
      return {rectangle, detached: true, slot: 'edge'};
    }
  }
  return null;
}

function sizeOf([x1, y1, x2, y2]) {
  return Math.max(0, x2 - x1) * Math.max(0, y2 - y1);
}

function intersection(one, other) {
  const upper = [0, 1].map((edge) => Math.max(one[edge], other[edge]));
  const lower = [2, 3].map((edge) => Math.min(one[edge], other[edge]));
  const box = [...upper, ...lower];
  return box[0] < box[2] && box[1] < box[3] ? box : null;
}

function isInside([x1, y1, x2, y2], area) {
  return x1 >= area[0] && y1 >= area[1] && x2 <= area[2] && y2 <= area[3];
}

function overlap(one, other) {
  return one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3];
}

/**
 * Return the ends of a line from a box to its label.
 * @param {Rectangle} box
 * @param {Rectangle} label
 * @returns {[number, number, number, number]} x, y at the label, x, y at the box
 */
export function leaderOf(box, label) {
  const nearest = (value, low, high) => Math.min(Math.max(value, low), high);
  const startX = nearest((box[0] + box[2]) / 2, label[0], label[2]);
  const startY = nearest((box[1] + box[3]) / 2, label[1], label[3]);
  return [startX, startY, nearest(startX, box[0], box[2]), nearest(startY, box[1], box[3])];
}
