/**
 * One scan on the screen: which tiles are asked for, which are drawn meanwhile, how soon it was there.
 */

import {boxAfter, inverse} from './camera.js';
import {levelAt, tilesIn} from './pyramid.js';
import {TileStore} from './tilestore.js';

export const LOUPE_FACTOR = 3;

/** A scan that is shown. */
export class Scene {
  /**
   * @param {any} scanId
   * @param {import('./types.js').Description} description
   * @param {object} ties
   * @param {import('./types.js').ViewerOptions['fetchTile']} ties.fetchTile
   * @param {number} ties.budget      bytes
   * @param {import('./renderer.js').Renderer|null} ties.renderer
   * @param {() => void} ties.changed
   * @param {(name: string, detail: object) => void} ties.onEvent
   * @param {(reason: string) => void} ties.failed   called once
   */
  constructor(scanId, description, {fetchTile, budget, renderer, changed, onEvent, failed}) {
    Object.assign(this, {scanId, description, _renderer: renderer, _onEvent: onEvent});
    this._begun = performance.now();
    this._told = {ready: false, complete: false};
    this._toldFailed = false;
    this.store = new TileStore({
      description,
      budget,
      fetch: ({level, column, row}, signal) => fetchTile(scanId, level, column, row, signal),
      arrived: changed,
      letGo: (tile) => renderer?.letGo(tile),
      failed: (reason) => {
        if (!this._toldFailed) {
          this._toldFailed = true;
          failed(reason);
        }
      },
    });
  }

  /**
   * Draw a frame.
   * @param {object} frame
   * @param {import('./camera.js').Camera} frame.camera
   * @param {import('./filters.js').Settings} frame.settings
   * @param {import('./filters.js').Settings} frame.standard
   * @param {import('./renderer.js').Layer[]} frame.layers
   * @param {number} frame.unit       by how much lines are wider than on a small screen
   * @param {{x: number, y: number, radius: number}|null} frame.loupe in CSS pixels
   * @returns {number} the level that is wanted at this zoom
   */
  draw({camera, settings, standard, layers, unit, loupe}) {
    const level = levelAt(this.description, camera.zoom);
    const near = loupe === null ? null : this._near(camera, loupe);
    this._want(level, camera.seen, near);
    const {tiles, complete} = this._drawable(level, camera.seen);
    const shared = {settings, standard, ratio: camera.ratio, unit, layers};
    this._lay({...shared, tiles, matrix: camera.matrix(), circle: null});
    if (near !== null) {
      this._lay({...shared, tiles: this._drawable(near.level, near.box).tiles, matrix: near.matrix, circle: loupe});
    }
    this._tell(tiles.length > 0, complete);
    return level;
  }

  /** After the graphics card forgot everything: nothing of it is to be freed any more. */
  forgetCard() {
    this.store.ready.forEach((tile) => Object.assign(tile, {card: null, onCard: 0}));
  }

  close() {
    this.store.close();
  }

  _near(camera, loupe) {
    const matrix = camera.magnified(loupe, LOUPE_FACTOR);
    const {x, y, radius} = loupe;
    const box = boxAfter(inverse(matrix), [x - radius, y - radius, x + radius, y + radius]);
    const level = levelAt(this.description, Math.hypot(matrix.a, matrix.b) * camera.ratio);
    return {matrix, box, level};
  }

  _want(level, seen, near) {
    const coarsest = this.description.levels.length - 1;
    const wanted = [{level: coarsest, column: 0, row: 0}, ...tilesIn(this.description, level, seen)];
    if (near !== null) {
      wanted.push(...tilesIn(this.description, near.level, near.box));
    }
    this.store.want(wanted, tilesIn(this.description, level, seen, 1));
  }

  /** The tiles of a level where all are here; else coarser ones below those that are. */
  _drawable(level, box) {
    const here = (each) => tilesIn(this.description, each, box).map((name) => this.store.find(name));
    const wanted = here(level);
    const complete = wanted.every((tile) => tile !== null);
    const tiles = [];
    if (!complete) {
      for (let coarser = this.description.levels.length - 1; coarser > level; coarser -= 1) {
        tiles.push(...here(coarser));
      }
    }
    return {tiles: [...tiles, ...wanted].filter((tile) => tile !== null), complete};
  }

  _lay({settings, standard, layers, ...scene}) {
    const {description, _renderer: renderer} = this;
    const isStandard = settings.key === standard.key;
    scene.tiles.forEach((tile) => renderer.prepare(tile, description, settings, isStandard));
    renderer.draw({...scene, description, layers: scene.tiles.length > 0 ? layers : []});
  }

  _tell(something, complete) {
    const detail = {scanId: this.scanId, ms: Math.round(performance.now() - this._begun)};
    if (something && !this._told.ready) {
      this._told.ready = true;
      this._onEvent('ready', detail);
    }
    if (complete && !this._told.complete) {
      this._told.complete = true;
      this._onEvent('complete', detail);
    }
  }
}
