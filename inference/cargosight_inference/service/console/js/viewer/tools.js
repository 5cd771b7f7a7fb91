/**
 * Boxes that are drawn and lengths that are measured: by dragging, by two clicks, or by arrow keys and Enter.
 */

import {boxAfter} from './camera.js';
import {lengthOf} from './probe.js';
import {assign, rectangle, shape, show} from './shapes.js';

const LEAST_SIDE = 2; // image pixels of a drawn box
const STEP = 10; // CSS pixels of an arrow key; one with Shift
const MOVES = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
const DASHES = [7, 4];
const CASINGS = [['#fff', 5], ['#000', 3.5], ['#fff', 1.5]];

/**
 * @typedef {{name: 'draw', label: string|null}|{name: 'measure'}} Tool
 */

/** The tools of one viewer; at most one is in hand. */
export class Tools {
  /**
   * @param {object} ties
   * @param {SVGElement} ties.group   to draw in
   * @param {import('./camera.js').Camera} ties.camera
   * @param {import('./types.js').ViewerOptions['t']} ties.t
   * @param {() => import('./types.js').Description|null} ties.description
   * @param {() => void} ties.changed
   * @param {(name: string, detail: object) => void} ties.onEvent
   */
  constructor({group, camera, t, description, changed, onEvent}) {
    Object.assign(this, {_camera: camera, _t: t, _description: description, _changed: changed, _onEvent: onEvent});
    /** @type {Tool|null} */
    this.tool = null;
    this._start = null; // image coordinates
    this._end = null;
    this._measured = null; // the last measurement, which stays to be read
    this._cursor = null; // screen coordinates, where arrow keys moved it
    this._lettering = {size: 13, unit: 1, stroke: 1, measure: () => 0};
    this._make(group);
  }

  /** @param {import('./shapes.js').Lettering} lettering */
  setLettering(lettering) {
    this._lettering = lettering;
    for (const {children} of [this._line, this._preview]) {
      CASINGS.forEach(([, width], depth) => assign(children[depth], {'stroke-width': width * lettering.stroke}));
    }
    assign(this._preview.lastElementChild, {'stroke-dasharray': DASHES.map((dash) => dash * lettering.stroke).join(' ')});
  }

  /**
   * Take a tool in hand.
   * @param {Tool} tool
   */
  take(tool) {
    this.tool = tool;
    this._start = this._end = this._measured = this._cursor = null;
    this._onEvent('tool', {name: tool.name});
    this._changed();
  }

  /** Put the tool away, with what it has drawn. Returns whether there was anything. */
  putAway() {
    const had = this.tool !== null || this._measured !== null;
    if (this.tool !== null) {
      this._onEvent('tool', {name: null});
    }
    this.tool = null;
    this._start = this._end = this._measured = this._cursor = null;
    this._changed();
    return had;
  }

  /** Whether the first point is set and the second is not. */
  get isHalfway() {
    return this._start !== null;
  }

  /**
   * A point is set, the first or the second.
   * @param {import('./types.js').Point} at on the screen
   */
  press(at) {
    const point = this._clamped(this._camera.toImage(at.x, at.y));
    if (this._start === null) {
      this._start = this._end = point;
    } else {
      this._end = point;
      this._finish();
    }
    this._changed();
  }

  /**
   * The cursor moved.
   * @param {import('./types.js').Point} at on the screen
   */
  move(at) {
    if (this._start !== null) {
      this._end = this._clamped(this._camera.toImage(at.x, at.y));
      this._changed();
    }
  }

  /**
   * Move the cursor by arrow keys, set points by Enter.
   * @param {KeyboardEvent} event
   * @param {import('./types.js').Point|null} pointer where the pointer is on the screen
   * @returns {import('./types.js').Point|null} where the cursor is now; null where the key was not the tool's
   */
  key(event, pointer) {
    const move = MOVES[event.key];
    if (this.tool === null || (move === undefined && event.key !== 'Enter')) {
      return null;
    }
    const {width, height} = this._camera.view;
    const from = this._cursor ?? pointer ?? {x: width / 2, y: height / 2};
    if (move === undefined) {
      if (!event.repeat) {
        this.press(from);
      }
      return from;
    }
    const step = event.shiftKey ? 1 : STEP;
    const x = Math.min(width - 1, Math.max(0, from.x + step * move[0]));
    const y = Math.min(height - 1, Math.max(0, from.y + step * move[1]));
    this._cursor = {x, y};
    this.move(this._cursor);
    this._changed();
    return this._cursor;
  }

  /** Put everything where the view shows it. */
  place() {
    const matrix = this._camera.matrix();
    const ends = this._start === null ? this._measured : {from: this._start, to: this._end};
    const isMeasuring = ends !== null && this.tool?.name !== 'draw';
    show(this._line, isMeasuring);
    show(this._preview, ends !== null && !isMeasuring);
    show(this._cross, this._cursor !== null);
    if (this._cursor !== null) {
      assign(this._cross, {transform: `translate(${this._cursor.x} ${this._cursor.y}) scale(${this._lettering.stroke})`});
    }
    if (ends === null) {
      return;
    }
    const {from, to} = ends;
    if (isMeasuring) {
      this._placeLine(this._camera.toScreen(from.x, from.y), this._camera.toScreen(to.x, to.y), from, to);
    } else {
      const at = rectangle(boxAfter(matrix, [from.x, from.y, to.x, to.y]));
      [...this._preview.children].forEach((child) => assign(child, at));
    }
  }

  _make(group) {
    const path = (stroke, width) => shape('path', {stroke, 'stroke-width': width, fill: 'none', 'stroke-linecap': 'round'});
    this._caption = shape('text', {'text-anchor': 'middle'});
    this._plate = shape('rect', {fill: '#000', stroke: '#fff', rx: 2});
    this._line = shape('g', {class: 'viewer-measure'}, [...CASINGS.map(([colour, width]) => path(colour, width)),
      this._plate, this._caption]);
    this._preview = shape('g', {class: 'viewer-preview'}, CASINGS.map(([stroke, width], depth) => (
      shape('rect', {stroke, 'stroke-width': width, fill: 'none', 'stroke-dasharray': depth === 2 ? DASHES.join(' ') : 'none'}))));
    this._cross = shape('g', {class: 'viewer-cross'}, CASINGS.map(([stroke, width]) => (
      shape('path', {stroke, 'stroke-width': width, d: 'M-14 0H-4M4 0H14M0 -14V-4M0 4V14'}))));
    [this._line, this._preview, this._cross].forEach((each) => show(each, false));
    group.append(this._line, this._preview, this._cross);
  }

  _placeLine(a, b, from, to) {
    const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
    const half = 6 * this._lettering.stroke;
    const tick = {x: (-half * (b.y - a.y)) / length, y: (half * (b.x - a.x)) / length};
    const across = (end) => `M${end.x - tick.x} ${end.y - tick.y}L${end.x + tick.x} ${end.y + tick.y}`;
    const d = `M${a.x} ${a.y}L${b.x} ${b.y}${across(a)}${across(b)}`;
    [...this._line.children].slice(0, CASINGS.length).forEach((child) => assign(child, {d}));
    const {pixels, mm} = lengthOf(this._description(), from, to);
    const key = mm === null ? 'viewer.measure.pixels' : 'viewer.measure.mm';
    const text = this._t(key, {pixels: pixels.toFixed(1), mm: mm?.toFixed(mm < 100 ? 1 : 0)});
    if (this._caption.textContent !== text) {
      this._caption.textContent = text;
    }
    const {size, measure} = this._lettering;
    const [width, height] = [measure(text) + size, 1.6 * size];
    const {view} = this._camera;
    const x = Math.min(view.width - width / 2 - 4, Math.max(width / 2 + 4, (a.x + b.x) / 2));
    const below = Math.max(a.y, b.y) + 1.6 * size;
    const y = below + height > view.height ? Math.min(a.y, b.y) - 1.6 * size : below;
    assign(this._plate, rectangle([x - width / 2, y - height / 2, x + width / 2, y + height / 2]));
    assign(this._caption, {x, y: y + 0.35 * size});
  }

  _finish() {
    const {_start: from, _end: to} = this;
    this._start = this._end = null;
    if (this.tool.name === 'measure') {
      this._measured = {from, to};
      this._onEvent('measured', {...lengthOf(this._description(), from, to), from, to});
      return;
    }
    const box = [Math.min(from.x, to.x), Math.min(from.y, to.y), Math.max(from.x, to.x), Math.max(from.y, to.y)];
    if (box[2] - box[0] < LEAST_SIDE || box[3] - box[1] < LEAST_SIDE) {
      return; // a slip of the hand; the tool stays in hand
    }
    const {label} = this.tool;
    this.putAway();
    this._onEvent('drawn', {box: box.map((edge) => Math.round(edge * 10) / 10), label});
  }

  _clamped({x, y}) {
    const {width, height} = this._camera.image;
    return {x: Math.min(width, Math.max(0, x)), y: Math.min(height, Math.max(0, y))};
  }
}
