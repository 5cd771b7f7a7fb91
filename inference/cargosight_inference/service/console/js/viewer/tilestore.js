/**
 * The tiles that are here, those on their way, and which of them to let go.
 *
 * A tile holds the bytes as they came, for the value under the cursor, and whatever the renderer keeps of it on the
 * graphics card; both count against one budget. What is seen at present is never let go, nor is the coarsest level.
 */

import {coreOf, keyOf} from './pyramid.js';

const PARALLEL = 4; // of the six connections that a browser opens to a host; events and decisions need theirs
const FIRST_PAUSE_MS = 400; // before a failed tile is asked for again; doubled each time
const LONGEST_PAUSE_MS = 6000;
const TOLD_AFTER = 3; // failures

/**
 * @typedef {object} Tile
 * @property {number} level
 * @property {number} column
 * @property {number} row
 * @property {string} key
 * @property {'waiting'|'loading'|'ready'|'failed'} state
 * @property {Uint16Array|Uint8Array|null} values   core and apron, rows of pixels of channels
 * @property {number} width         of core and apron
 * @property {number} height        of core and apron
 * @property {number} used          larger is later
 * @property {number} onCard        bytes on the graphics card
 * @property {object|null} card     what the renderer keeps of it
 * @property {boolean} pinned       whether it is seen
 */

/** The tiles of one picture. */
export class TileStore {
  /**
   * @param {object} options
   * @param {import('./types.js').Description} options.description
   * @param {(tile: import('./pyramid.js').TileName, signal: AbortSignal) => Promise<ArrayBuffer>} options.fetch
   * @param {number} options.budget   bytes
   * @param {(tile: Tile) => void} options.arrived
   * @param {(tile: Tile) => void} options.letGo      free what is kept on the card
   * @param {(reason: string) => void} options.failed   a tile does not come; it is asked for again and again
   */
  constructor({description, fetch, budget, arrived, letGo, failed}) {
    Object.assign(this, {_description: description, _fetch: fetch, _budget: budget});
    Object.assign(this, {_arrived: arrived, _letGo: letGo, _failed: failed});
    /** @type {Map<string, Tile>} */
    this._tiles = new Map();
    /** @type {Tile[]} */
    this._wanted = [];
    /** @type {Map<string, AbortController>} */
    this._loading = new Map();
    this._timers = new Set();
    this._clock = 0;
    this._closed = false;
  }

  /** Bytes in memory and on the card. */
  get bytes() {
    let sum = 0;
    this._tiles.forEach((tile) => {
      sum += (tile.values?.byteLength ?? 0) + tile.onCard;
    });
    return sum;
  }

  /** @returns {Tile[]} */
  get ready() {
    return [...this._tiles.values()].filter(({state}) => state === 'ready');
  }

  get loading() {
    return this._loading.size;
  }

  /**
   * Return a tile that is here.
   * @param {import('./pyramid.js').TileName} name
   * @returns {Tile|null}
   */
  find(name) {
    const tile = this._tiles.get(keyOf(name));
    return tile?.state === 'ready' ? tile : null;
  }

  /**
   * Say which tiles are wanted, the most urgent first; requests for others are cancelled.
   * @param {import('./pyramid.js').TileName[]} seen
   * @param {import('./pyramid.js').TileName[]} [ahead] those that may be needed next
   */
  want(seen, ahead = []) {
    const coarsest = this._description.levels.length - 1;
    this._tiles.forEach((tile) => {
      tile.pinned = tile.level === coarsest;
    });
    const wanted = new Set();
    for (const [names, pinned] of [[seen, true], [ahead, false]]) {
      for (const name of names) {
        const tile = this._tileOf(name);
        tile.pinned ||= pinned;
        this._clock += 1;
        tile.used = this._clock;
        wanted.add(tile);
      }
    }
    this._wanted = [...wanted];
    this._loading.forEach((controller, key) => {
      const tile = this._tiles.get(key);
      if (!wanted.has(tile) && tile.level !== coarsest) {
        controller.abort();
      }
    });
    this._tiles.forEach((tile, key) => {
      if (tile.state === 'waiting' && !wanted.has(tile)) {
        this._tiles.delete(key);
      }
    });
    this._pump();
    this.trim();
  }

  /** Let the least lately used tiles go until the rest is within the budget. */
  trim() {
    let bytes = this.bytes;
    if (bytes <= this._budget) {
      return;
    }
    const free = this.ready.filter(({pinned}) => !pinned).sort((one, other) => one.used - other.used);
    for (const tile of free) {
      if (bytes <= this._budget) {
        return;
      }
      bytes -= tile.values.byteLength + tile.onCard;
      this._forget(tile);
    }
  }

  /** Cancel everything and let everything go. */
  close() {
    this._closed = true;
    this._timers.forEach((timer) => clearTimeout(timer));
    this._loading.forEach((controller) => controller.abort());
    [...this._tiles.values()].forEach((tile) => this._forget(tile));
  }

  _tileOf({level, column, row}) {
    const key = keyOf({level, column, row});
    let tile = this._tiles.get(key);
    if (tile === undefined) {
      const core = coreOf(this._description, {level, column, row});
      const both = 2 * this._description.apron;
      tile = {
        level, column, row, key, state: 'waiting', values: null, width: core.width + both, height: core.height + both,
        used: 0, onCard: 0, card: null, pinned: level === this._description.levels.length - 1, tries: 0,
      };
      this._tiles.set(key, tile);
    }
    return tile;
  }

  _forget(tile) {
    this._letGo(tile);
    this._tiles.delete(tile.key);
  }

  _pump() {
    for (const tile of this._wanted) {
      if (this._closed || this._loading.size >= PARALLEL) {
        return;
      }
      if (tile.state === 'waiting') {
        this._load(tile);
      }
    }
  }

  async _load(tile) {
    const controller = new AbortController();
    tile.state = 'loading';
    this._loading.set(tile.key, controller);
    let problem = null;
    try {
      const {level, column, row} = tile;
      this._take(tile, await this._fetch({level, column, row}, controller.signal));
    } catch (error) {
      problem = error;
    }
    this._loading.delete(tile.key);
    if (this._closed) {
      return;
    }
    if (controller.signal.aborted && tile.state !== 'ready') {
      tile.state = 'waiting';
    } else if (problem !== null) {
      this._retry(tile, problem);
    } else {
      this._arrived(tile);
    }
    this._pump();
  }

  _take(tile, buffer) {
    const {type, channels} = this._description;
    const expected = tile.width * tile.height * channels * (type === 'uint16' ? 2 : 1);
    if (buffer.byteLength !== expected) {
      throw new RangeError(`a tile of ${buffer.byteLength} bytes; expected ${expected}`);
    }
    // Tiles are little-endian, as is every machine that runs a browser with WebGL.
    tile.values = type === 'uint16' ? new Uint16Array(buffer) : new Uint8Array(buffer);
    tile.state = 'ready';
  }

  _retry(tile, problem) {
    tile.state = 'failed';
    tile.tries += 1;
    if (tile.tries === TOLD_AFTER) {
      this._failed(problem.message);
    }
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tile.tries - 1));
    const timer = setTimeout(() => {
      this._timers.delete(timer);
      tile.state = 'waiting';
      this._pump();
    }, pause);
    this._timers.add(timer);
  }
}
