/** Signs, drawn as lines on a grid of 24. Each is decoration beside words: hidden from those who listen. */

const SVG = 'http://www.w3.org/2000/svg';

const PATHS = {
  tick: ['M4 12.5 9.5 18 20 6.5'],
  flag: ['M6 21V4', 'M6 5h12l-3 4 3 4H6'],
  cross: ['M6 6l12 12', 'M18 6 6 18'],
  warning: ['M12 3.5 22 20.5H2z', 'M12 10v5', 'M12 17.6v.1'],
  clock: ['M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z', 'M12 7v5l3.5 2'],
  eye: ['M2 12s3.6-6.5 10-6.5S22 12 22 12s-3.6 6.5-10 6.5S2 12 2 12z', 'M12 9.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6z'],
  undo: ['M8 5 4 9l4 4', 'M4 9h10a6 6 0 0 1 0 12h-3'],
  unknown: ['M9 9.2a3 3 0 1 1 4.6 2.5c-1 .7-1.6 1.3-1.6 2.6', 'M12 17.6v.1'],
  live: ['M12 10.5a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3z', 'M8.2 15.8a5.4 5.4 0 0 1 0-7.6', 'M15.8 8.2a5.4 5.4 0 0 1 0 7.6', 'M5.3 18.7a9.5 9.5 0 0 1 0-13.4', 'M18.7 5.3a9.5 9.5 0 0 1 0 13.4'],
  broken: ['M4 4l16 16', 'M8.2 15.8a5.4 5.4 0 0 1-.9-6.3', 'M15.8 8.2a5.4 5.4 0 0 1 .9 6.3'],
  chip: ['M7 7h10v10H7z', 'M10 3v4M14 3v4M10 17v4M14 17v4M3 10h4M3 14h4M17 10h4M17 14h4'],
  queue: ['M4 6h16', 'M4 12h16', 'M4 18h9'],
  person: ['M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8z', 'M4.5 20.5c.8-3.9 3.8-6 7.5-6s6.7 2.1 7.5 6'],
  people: ['M9 5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7z', 'M2.5 20c.6-3.5 3-5.5 6.5-5.500s5.9 2 6.5 5.5', 'M16 5.300a3.5 3.5 0 0 1 0 6.4', 'M18.5 14.900c1.7.9 2.7 2.7 3 5.1'],
  pencil: ['M4 20l1-4.500L16.5 4 20 7.5 8.5 19z', 'M14 6.5 17.5 10'],
  moon: ['M20 14.500A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.500z'],
  sun: ['M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8z', 'M12 2.500v2M12 19.500v2M2.5 12h2M19.5 12h2M5.3 5.300l1.4 1.400M17.3 17.300l1.4 1.400M18.7 5.300l-1.4 1.400M6.7 17.300l-1.4 1.4'],
  screen: ['M3 5h18v11H3z', 'M9 20h6', 'M12 16v4'],
  leave: ['M10 4H5v16h5', 'M14 8l4 4-4 4', 'M18 12H9'],
  info: ['M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z', 'M12 11v5', 'M12 8v.1'],
  print: ['M7 9V3h10v6', 'M7 17H4V9h16v8h-3', 'M7 14h10v7H7z'],
  search: ['M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13z', 'M15.5 15.5 21 21'],
  fit: ['M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5', 'M8 10h8v4H8z'],
  one_to_one: ['M6 8l2-1.5V17', 'M16 8l2-1.5V17', 'M12 10v.1M12 14v.1'],
  zoom_in: ['M12 5v14M5 12h14'],
  zoom_out: ['M5 12h14'],
  rotate_left: ['M5 5v5h5', 'M5.5 10A8 8 0 1 1 4 14'],
  rotate_right: ['M19 5v5h-5', 'M18.5 10A8 8 0 1 0 20 14'],
  flip_x: ['M12 3v18', 'M9 7v10l-6 0z', 'M15 7v10l6 0z'],
  flip_y: ['M3 12h18', 'M7 9h10l0-6z', 'M7 15h10l0 6z'],
  measure: ['M3 16 16 3l5 5L8 21z', 'M7 12l2 2M10 9l2 2M13 6l2 2'],
};

/**
 * Make a sign.
 * @param {string} name of `PATHS`.
 * @returns {SVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  for (const lines of PATHS[name]) {
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('d', lines);
    svg.append(path);
  }
  return svg;
}

/**
 * Make a drawing of the given shapes: `[tag, attributes]` each.
 * @returns {SVGElement}
 */
export function drawing(width, height, shapes) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.setAttribute('aria-hidden', 'true');
  for (const [tag, attributes] of shapes) {
    const shape = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) shape.setAttribute(name, String(value));
    svg.append(shape);
  }
  return svg;
}
