/**
 * Which filters are on, held or latched, and for how long they were: their use is logged.
 */

import {FILTERS, groupOf, isAvailable, settingsFor, valueAtTone, windowOf} from './filters.js';

const STANDARD = Object.freeze({level: 0.5, width: 1});

/**
 * @typedef {object} FilterState
 * @property {string} name
 * @property {string} text          message key of its name
 * @property {string|null} group
 * @property {boolean} available    whether this picture has what it needs
 * @property {boolean} on
 * @property {boolean} latched      on without a key being held
 */

/** The filters of one viewer. */
export class FilterBank {
  /**
   * @param {object} ties
   * @param {(name: string, on: boolean, seconds: number) => void} ties.changed   a filter goes on or off; seconds that it
   *     was on and that `used` has not told
   * @param {(name: string, seconds: number) => void} ties.used   for how long one was on so far, and goes on
   * @param {() => number} [ties.now] milliseconds
   */
  constructor({changed, used, now = () => performance.now()}) {
    this._changed = changed;
    this._used = used;
    this._now = now;
    /** @type {{name: string, since: number, held: boolean, latched: boolean}[]} the latest last */
    this._active = [];
    this._window = {...STANDARD};
    this._description = null;
  }

  /**
   * Begin with a picture, in the standard image.
   * @param {import('./types.js').Description|null} description
   */
  setDescription(description) {
    this.reset();
    this._description = description;
  }

  /** Whether there is a picture to be filtered. */
  get hasPicture() {
    return this._description !== null;
  }

  /** @returns {FilterState[]} every filter, in the order in which they are offered */
  get states() {
    return FILTERS.map(({name, text, group}) => {
      const active = this._find(name);
      const available = isAvailable(name, this._description);
      return {name, text, group, available, on: active !== undefined, latched: active?.latched ?? false};
    });
  }

  /** @returns {string[]} names of the filters that are on, the latest last */
  get active() {
    return this._active.map(({name}) => name);
  }

  /** The window in use or last used: level and width on tones, and the values that are shown black and white. */
  get window() {
    const edges = windowOf(this._window, this._description);
    const value = (tone) => (this._description === null ? null : valueAtTone(tone, this._description));
    return {...this._window, black: value(edges.low), white: value(edges.high)};
  }

  /** @returns {import('./filters.js').Settings} of the picture as it is to be shown */
  get settings() {
    return settingsFor(this._description, this.active, windowOf(this._window, this._description));
  }

  /** @returns {import('./filters.js').Settings} of the standard image */
  get standard() {
    return settingsFor(this._description, []);
  }

  /**
   * Switch a filter on or off to stay.
   * @param {string} name
   * @param {boolean} on
   */
  set(name, on) {
    const active = this._find(name);
    if (!on) {
      this._drop(active);
    } else if (isAvailable(name, this._description)) {
      const group = groupOf(name);
      this._active.filter((each) => group !== null && groupOf(each.name) === group && each.name !== name)
        .forEach((each) => this._drop(each));
      this._begin(name).latched = true;
    }
  }

  /**
   * A key of a filter goes down: on while it is held.
   * @param {string} name
   */
  hold(name) {
    if (isAvailable(name, this._description)) {
      this._begin(name).held = true;
    }
  }

  /**
   * The key goes up again.
   * @param {string} name
   */
  release(name) {
    const active = this._find(name);
    if (active !== undefined) {
      active.held = false;
      if (!active.latched) {
        this._drop(active);
      }
    }
  }

  /** Let go of every key: the page lost its focus, and nobody would hear them go up. */
  releaseAll() {
    [...this._active].forEach(({name}) => this.release(name));
  }

  /** Tell of every filter that is on for how long it was, and count anew. */
  report() {
    this._active.forEach((active) => this._used(active.name, this._told(active)));
  }

  /** Back to the standard image. */
  reset() {
    [...this._active].forEach((active) => this._drop(active));
    this._window = {...STANDARD};
  }

  /**
   * Set the window; it is a filter of its own, `window`, and on from then.
   * @param {{level?: number, width?: number}} window on tones
   */
  setWindow(window) {
    if (this._description === null) {
      return;
    }
    const next = {...this._window, ...window};
    const {low, high} = windowOf(next, this._description);
    this._window = {level: (low + high) / 2, width: high - low};
    if (!this._find('window')?.latched) {
      this.set('window', true);
    }
  }

  _find(name) {
    return this._active.find((active) => active.name === name);
  }

  _begin(name) {
    let active = this._find(name);
    if (active === undefined) {
      active = {name, since: this._now(), held: false, latched: false};
      this._active.push(active);
      this._changed(name, true, 0);
    }
    return active;
  }

  _drop(active) {
    if (active !== undefined && this._active.includes(active)) {
      this._active = this._active.filter((each) => each !== active);
      if (active.name === 'window') {
        this._window = {...STANDARD};
      }
      this._changed(active.name, false, this._told(active));
    }
  }

  /** Seconds of use that were not told yet, which are from now. */
  _told(active) {
    const now = this._now();
    const seconds = (now - active.since) / 1000;
    active.since = now;
    return seconds;
  }
}
