/**
 * Boxes and labels, drawn as SVG over the picture and placed anew whenever the view changes.
 */

import {boxAfter} from './camera.js';
import {leaderOf, placeLabels} from './labels.js';
import {dashesOf, inkOn, inWords} from './palette.js';
import {assign, rectangle, shape, show} from './shapes.js';

const LINE = 2; // CSS pixels
const SELECTED_LINE = 4;
const CASING = 1.5; // of black around the line, then as much of white: one of them is seen on any ground
const PADDING = 6;
const GAP = 4;
const MOST_LABELS = 40; // hundreds of names would hide the load

/**
 * @typedef {object} Item           One box.
 * @property {string} id
 * @property {number|null} index    of the finding
 * @property {import('./types.js').Box} box
 * @property {string} text
 * @property {string} kind          of a finding, `drawn`, or `below` of what is below the thresholds
 * @property {number[]} colour
 * @property {'confirmed'|'rejected'|null} verdict
 * @property {boolean} selected
 */

/** The boxes of one viewer. */
export class BoxLayer {
  /** @param {SVGElement} group to draw in */
  constructor(group) {
    this._lines = shape('g');
    this._labels = shape('g');
    group.append(this._lines, this._labels);
    this._drawn = [];
    this._lettering = {size: 13, unit: 1, stroke: 1, measure: () => 0};
  }

  /** @param {import('./shapes.js').Lettering} lettering */
  setLettering(lettering) {
    this._lettering = lettering;
    this.setItems(this._drawn.map(({item}) => item));
  }

  /**
   * Set what is drawn, the most important first.
   * @param {Item[]} items
   */
  setItems(items) {
    const before = new Map(this._drawn.map((drawn) => [drawn.item.id, drawn.slot]));
    this._drawn = items.map((item) => this._made(item, before.get(item.id) ?? null));
    // The first are drawn last, over the others.
    this._lines.replaceChildren(...this._drawn.map(({box}) => box).reverse());
    this._labels.replaceChildren(...this._drawn.map(({label}) => label).reverse());
  }

  /**
   * Put everything where the view shows it.
   * @param {import('./camera.js').Matrix} matrix to CSS pixels
   * @param {{width: number, height: number}} view
   */
  place(matrix, view) {
    const {stroke} = this._lettering;
    const area = [GAP, GAP, view.width - GAP, view.height - GAP];
    // Lines lie outside of the item, so that nothing of it is covered.
    const outlines = this._drawn.map(({item, line}) => grown(boxAfter(matrix, item.box), line / 2 + CASING * stroke));
    this._drawn.forEach((drawn, index) => placeBox(drawn, outlines[index]));
    const wanted = this._drawn.slice(0, MOST_LABELS).map(({width, height, slot, line}, index) => (
      {box: grown(outlines[index], line / 2 + 2 * CASING * stroke), width, height, slot}));
    const places = placeLabels(wanted, outlines.slice(MOST_LABELS), area, GAP / 2);
    this._drawn.forEach((drawn, index) => {
      const place = places[index] ?? null;
      drawn.slot = place?.slot ?? null;
      drawn.rectangle = place?.rectangle ?? null;
      placeLabel(drawn, place, outlines[index], this._lettering);
    });
  }

  /** @returns {{id: string, box: import('./types.js').Box, label: import('./types.js').Box|null}[]} on the screen */
  get places() {
    return this._drawn.map(({item, outline, rectangle: label}) => ({id: item.id, box: outline, label: label ?? null}));
  }

  _made(item, slot) {
    const {size, unit, stroke, measure} = this._lettering;
    const line = stroke * (item.selected ? SELECTED_LINE : LINE);
    const width = Math.ceil(measure(item.text) + 2 * PADDING * unit);
    return {...makeNodes(item, line, stroke), item, line, slot, width, height: Math.round(1.55 * size)};
  }
}

function grown([x1, y1, x2, y2], out) {
  return [x1 - out, y1 - out, x2 + out, y2 + out];
}

function makeNodes(item, width, thicker) {
  const colour = inWords(item.colour);
  const faded = item.verdict === 'rejected' && !item.selected ? 0.55 : 1;
  const data = item.index === null ? {} : {'data-index': item.index};
  const casing = {fill: 'none', 'stroke-linejoin': 'round'};
  const frames = [
    shape('rect', {...casing, stroke: '#fff', 'stroke-width': width + 4 * CASING * thicker, 'stroke-opacity': 0.8}),
    shape('rect', {...casing, stroke: '#000', 'stroke-width': width + 2 * CASING * thicker}),
    shape('rect', {...casing, stroke: colour, 'stroke-width': width, 'stroke-dasharray': dashesOf(item.kind, width)}),
  ];
  const leader = ['#fff', '#000', colour].map((stroke, depth) => (
    shape('line', {stroke, 'stroke-width': thicker * (1.5 + 1.5 * (2 - depth))})));
  const ink = inkOn(item.colour);
  const ground = [
    shape('rect', {fill: '#fff', rx: 2}), shape('rect', {fill: '#000', rx: 2}), shape('rect', {fill: colour, rx: 1}),
  ];
  const text = shape('text', {fill: ink});
  text.textContent = item.text;
  const strike = shape('line', {stroke: ink, 'stroke-width': 1.5 * thicker});
  show(strike, item.verdict === 'rejected');
  const box = shape('g', {class: 'viewer-box', opacity: faded, 'data-kind': item.kind, ...data}, [...leader, ...frames]);
  const label = shape('g', {class: 'viewer-label', opacity: Math.max(faded, 0.8), ...data}, [...ground, text, strike]);
  return {box, frames, leader, label, ground, text, strike};
}

function placeBox(drawn, outline) {
  drawn.outline = outline;
  drawn.frames.forEach((frame) => assign(frame, rectangle(outline)));
}

function placeLabel({label, ground, text, strike, leader}, place, outline, {size, unit}) {
  show(label, place !== null);
  leader.forEach((line) => show(line, place?.detached ?? false));
  if (place === null) {
    return;
  }
  const [x1, y1, x2, y2] = place.rectangle.map(Math.round);
  const middle = (y1 + y2) / 2;
  assign(ground[0], rectangle([x1, y1, x2, y2]));
  assign(ground[1], rectangle([x1, y1, x2, y2], -1));
  assign(ground[2], rectangle([x1, y1, x2, y2], -2));
  assign(text, {x: x1 + PADDING * unit, y: middle + 0.35 * size});
  assign(strike, {x1: x1 + PADDING * unit - 2, x2: x2 - PADDING * unit + 2, y1: middle + 0.5, y2: middle + 0.5});
  if (place.detached) {
    const [fromX, fromY, toX, toY] = leaderOf(outline, place.rectangle);
    leader.forEach((line) => assign(line, {x1: fromX, y1: fromY, x2: toX, y2: toY}));
  }
}
