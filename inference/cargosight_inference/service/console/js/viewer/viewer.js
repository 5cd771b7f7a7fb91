/**
 * The viewer of scans: one class for the pages around it.
 *
 * Coordinates, descriptions and inspections are those of types.js; filters are defined in filters.js, keys in keymap.js.
 * Events (`onEvent(name, detail)`):
 *   ready     {scanId, ms}           something of the picture is seen
 *   complete  {scanId, ms}           it is seen as sharp as it gets at this zoom
 *   cursor    {x, y, values, arealDensity, atLeast, material, level}, or null outside the picture
 *   filter    {name, on, seconds, scanId}   seconds that it was on, but for those that `used` has told
 *   used      {name, seconds, scanId}       of a filter that stays on, when reportUses asks
 *   selected  {index, text, label, kind, score, box}; index null where none is, text to be read out
 *   drawn     {box, label}           label as startDrawing was told
 *   measured  {pixels, mm, from, to} mm null where the pitch is not known
 *   view      {zoom, level, fitted, rotation, mirrored, x, y}; zoom in device pixels of a pixel
 *   overlay   the state of the overlay
 *   tool      {name}                 draw, measure, or null
 *   loupe     {on}
 *   unavailable {message}            why a key does nothing on this picture
 *   problem   {code, message}        code no_webgl, context_lost, tile or map
 *   restored  {}                     after context_lost
 */

import {actionsOf} from './actions.js';
import {BoxLayer} from './boxes.js';
import {Camera} from './camera.js';
import {Card} from './card.js';
import {FilterBank} from './filterbank.js';
import {Keyboard} from './keyboard.js';
import {MapLoader} from './maps.js';
import {Overlay} from './overlay.js';
import {Pointer} from './pointer.js';
import {readAt} from './probe.js';
import {Scene} from './scene.js';
import {letteringOf} from './shapes.js';
import {Stage} from './stage.js';
import {Tools} from './tools.js';

const CACHE_BYTES = 384 * 1024 * 1024;
const REVEAL_MARGIN = 40; // CSS pixels around a finding that was selected

/** A viewer in a host element. */
export class Viewer {
  /**
   * @param {HTMLElement} host        gives the viewer its size
   * @param {import('./types.js').ViewerOptions} options
   */
  constructor(host, {fetchTile, fetchMap, t, onEvent, cacheBytes = CACHE_BYTES, keyTarget = document}) {
    Object.assign(this, {_fetchTile: fetchTile, _t: t, _onEvent: onEvent, _budget: cacheBytes});
    /** @type {Scene|null} */
    this._scene = null;
    this._frame = 0;
    this._hover = null; // screen coordinates
    this._loupe = false;
    this._told = {view: '', overlay: '', cursor: 'null'};
    this.camera = new Camera();
    this._bank = new FilterBank({
      changed: (name, on, seconds) => {
        this._onEvent('filter', {name, on, seconds, scanId: this._scene.scanId});
        this._changed();
      },
      used: (name, seconds) => this._onEvent('used', {name, seconds, scanId: this._scene.scanId}),
    });
    this._stage = new Stage(host, t('viewer.picture'), () => this._resized());
    this._boxes = new BoxLayer(this._stage.boxes);
    this._maps = new MapLoader({
      fetchMap,
      arrived: (name, cells) => this.overlay.setMap(name, cells),
      failed: (reason) => this._problem('map', {reason}),
    });
    this.overlay = new Overlay({
      t,
      changed: () => this._overlayChanged(),
      selected: (detail) => this._selected(detail),
      mapWanted: (name) => this._maps.load(name),
    });
    const changed = () => this._changed();
    const description = () => this._scene?.description ?? null;
    this._tools = new Tools({group: this._stage.tools, camera: this.camera, t, description, changed, onEvent});
    this._card = new Card(this._stage, {
      problem: (code, params) => this._problem(code, params),
      restored: () => {
        this._scene?.forgetCard();
        this._onEvent('restored', {});
        this._changed();
      },
    });
    this._listen(keyTarget);
    this._resized();
  }

  /**
   * Show a scan, in the standard image, fitting. Its coarsest level is there first; findings are not waited for.
   * @param {any} scanId
   * @param {import('./types.js').Description} description
   */
  show(scanId, description) {
    this.clear();
    this.camera.setImage(description.width, description.height);
    this._bank.setDescription(description);
    this._scene = new Scene(scanId, description, {
      fetchTile: this._fetchTile,
      budget: this._budget,
      renderer: this._card.renderer,
      changed: () => this._changed(),
      onEvent: this._onEvent,
      failed: (reason) => this._problem('tile', {reason}),
    });
    this._changed();
  }

  /** @param {import('./types.js').Inspection|null} inspection of the scan that is shown */
  setInspection(inspection) {
    this._maps.begin(this._scene?.scanId ?? null, inspection);
    this._card.renderer?.letMapsGo();
    this.overlay.setInspection(inspection);
  }

  /** @param {import('./types.js').Mark[]} marks of operators, drawn boxes among them */
  setMarks(marks) {
    this.overlay.setMarks(marks);
  }

  /** Show nothing. */
  clear() {
    this._bank.setDescription(null); // tells of which scan filters were
    this._scene?.close();
    this._scene = null;
    this._tools.putAway();
    this._maps.begin(null, null);
    this._card.renderer?.letMapsGo();
    this.overlay.clear();
    this._overlayChanged();
  }

  /** Leave the host as it was; the viewer is of no use afterwards. */
  destroy() {
    this.clear();
    cancelAnimationFrame(this._frame);
    this._destroyed = true;
    this._keyboard.close();
    this._pointer.close();
    this._stage.close();
    this._card.close();
  }

  /** @returns {import('./filterbank.js').FilterState[]} */
  get filters() {
    return this._bank.states;
  }

  /** Level and width on tones (0 black and 1 white in the standard image), and which values are black and white. */
  get window() {
    return this._bank.window;
  }

  /**
   * Switch a filter on or off to stay.
   * @param {string} name
   * @param {boolean} on
   */
  setFilter(name, on) {
    this._bank.set(name, on);
    this._changed();
  }

  /** Tell (`used`) of the filters that are on for how long they were, without switching them off. */
  reportUses() {
    this._bank.report();
  }

  /** Back to the standard image. */
  resetFilters() {
    this._bank.reset();
    this._changed();
  }

  /** @param {{level?: number, width?: number}} window on tones: 0.5 and 1 are the standard image */
  setWindow(window) {
    this._bank.setWindow(window);
    this._changed();
  }

  /**
   * @param {number} factor above 1 comes nearer
   * @param {import('./types.js').Point} [at] of the screen; the middle by default
   */
  zoomBy(factor, at) {
    this.camera.zoomBy(factor, at);
    this._changed();
  }

  fit() {
    this.camera.fit();
    this._changed();
  }

  /** @param {import('./types.js').Point} [at] of the screen; the middle by default */
  oneToOne(at) {
    this.camera.oneToOne(at);
    this._changed();
  }

  /** @param {90|-90} degrees clockwise as seen */
  rotate(degrees) {
    this.camera.rotate(degrees);
    this._changed();
  }

  /** @param {'x'|'y'} axis x swaps left and right as seen, y up and down */
  flip(axis) {
    this.camera.flip(axis);
    this._changed();
  }

  /**
   * @param {number} dx CSS pixels by which the picture moves to the right
   * @param {number} dy and downwards
   */
  pan(dx, dy) {
    this.camera.pan(dx, dy);
    this._changed();
  }

  /** @param {string|null} [label] handed back with the box */
  startDrawing(label = null) {
    this._tools.take({name: 'draw', label});
  }

  startMeasuring() {
    this._tools.take({name: 'measure'});
  }

  /** Put the tool away, and the last measurement. Returns whether there was any. */
  cancelTool() {
    return this._tools.putAway();
  }

  get tool() {
    return this._tools.tool?.name ?? null;
  }

  get loupe() {
    return this._loupe;
  }

  /** @param {boolean} on */
  setLoupe(on) {
    if (this._loupe !== on) {
      this._loupe = on;
      this._onEvent('loupe', {on});
      this._changed();
    }
  }

  /** @param {readonly import('./keymap.js').KeyBinding[]} keymap instead of the usual one; an empty one turns keys off */
  setKeys(keymap) {
    this._keyboard.releaseAll();
    this._keyboard.keymap = keymap;
  }

  /** Put the focus on the picture. */
  focus() {
    this._stage.root.focus({preventScroll: true});
  }

  /**
   * Read the picture at a point of the screen.
   * @param {import('./types.js').Point} at
   * @returns {import('./probe.js').Reading|null}
   */
  readingAt(at) {
    return this._scene === null ? null : readAt(this._scene.description, this._scene.store, this.camera.toImage(at.x, at.y));
  }

  /**
   * Draw a frame now and read of it, in device pixels from the upper left; for tests.
   * @returns {Uint8Array} RGBA
   */
  readPixels(x, y, width, height) {
    this._drawFrame();
    return this._card.renderer.read(x, y, width, height);
  }

  /** What is kept at present; for tests and for those who wonder. */
  get usage() {
    const store = this._scene?.store;
    return {bytes: store?.bytes ?? 0, tiles: store?.ready.map(({key}) => key) ?? [], loading: store?.loading ?? 0};
  }

  /** Boxes and labels where they are on the screen. */
  get places() {
    return this._boxes.places;
  }

  _listen(keyTarget) {
    const {act, holdable} = actionsOf(this, this._bank, (key, {text = ''} = {}) => (
      this._onEvent('unavailable', {message: this._t(key, {filter: text && this._t(text)})})));
    this._keyboard = new Keyboard({
      host: this._stage.root, target: keyTarget, act, holdable,
      first: (event) => this._toolKey(event),
      letGo: () => {
        this._bank.releaseAll();
        this.overlay.release();
      },
    });
    this._pointer = new Pointer(this._stage.root, {
      tools: this._tools,
      hover: (at) => {
        this._hover = at;
        this._changed();
      },
      pan: (dx, dy) => this.pan(dx, dy),
      zoom: (factor, at) => this.zoomBy(factor, at),
      doubled: (at) => (this.camera.fitted ? this.oneToOne(at) : this.fit()),
      window: (level, width) => this.setWindow({level: this.window.level + level, width: this.window.width * width}),
      select: (index) => this.overlay.select(index),
    });
  }

  _toolKey(event) {
    const at = this._tools.key(event, this._hover);
    if (at !== null) {
      this._hover = at;
      this._changed();
    }
    return at !== null;
  }

  _resized() {
    const {width, height, ratio} = this._stage.size;
    this.camera.setView(width, height, ratio);
    const lettering = letteringOf(this._stage.svg);
    this._unit = lettering.unit;
    [this._boxes, this._tools, this._stage].forEach((each) => each.setLettering(lettering));
    this._drawFrame(); // at once: a canvas that was resized is empty
  }

  _overlayChanged() {
    this._boxes.setItems(this.overlay.items);
    this._tell('overlay', this.overlay.state);
    this._changed();
  }

  _selected(detail) {
    if (detail.index !== null) {
      this.camera.reveal(detail.box, REVEAL_MARGIN);
    }
    this._onEvent('selected', detail);
  }

  _problem(code, params = {}) {
    const message = this._t(`viewer.problem.${code}`, params);
    this._onEvent('problem', {code, message});
    return message;
  }

  _changed() {
    if (this._frame === 0 && !this._destroyed) {
      this._frame = requestAnimationFrame(() => {
        this._frame = 0;
        this._drawFrame();
      });
    }
  }

  _drawFrame() {
    if (this._destroyed) {
      return;
    }
    const loupe = this._loupe && this._scene !== null ? this._loupeCircle() : null;
    let level = null;
    const renderer = this._card.usable;
    if (renderer !== null) {
      renderer.clear();
      if (this._scene !== null && this._stage.isInSight) {
        const {settings, standard} = this._bank;
        const layers = this.overlay.layers(this._scene.description);
        level = this._scene.draw({camera: this.camera, settings, standard, layers, unit: this._unit, loupe});
      }
    }
    this._stage.setLoupe(loupe);
    this._boxes.place(this.camera.matrix(), this.camera.view);
    this._tools.place();
    this._tellView(level);
  }

  _loupeCircle() {
    const {width, height} = this.camera.view;
    return {...(this._hover ?? {x: width / 2, y: height / 2}), radius: this._stage.loupeRadius};
  }

  _tellView(level) {
    const {zoom, fitted, x, y, rotation, isMirrored: mirrored} = this.camera;
    this._tell('view', {zoom, level, fitted, rotation, mirrored, x, y});
    this._tell('cursor', this._hover === null ? null : this.readingAt(this._hover));
  }

  /** Tell what differs from what was told last. */
  _tell(name, detail) {
    const text = JSON.stringify(detail);
    if (this._told[name] !== text) {
      this._told[name] = text;
      this._onEvent(name, detail);
    }
  }
}
