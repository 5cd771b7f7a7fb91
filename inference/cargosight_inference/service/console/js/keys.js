/** The console's keys: bound by the page that is open, ignored while a text is written or a dialog is open. */

import {pressed, writes} from './guard.js';

const KEPT = 'cargosight-single-keys';

export class Keys {
  constructor(storage = window.localStorage) {
    this.storage = storage;
    this.bindings = [];
    window.addEventListener('keydown', (event) => this.before(event), {capture: true});
    document.addEventListener('keydown', (event) => this.take(event));
  }

  /** Whether single letters act; those who dictate or touch keys by chance turn them off. */
  get on() {
    return this.storage.getItem(KEPT) !== 'off';
  }

  turn(on) {
    if (on) this.storage.removeItem(KEPT);
    else this.storage.setItem(KEPT, 'off');
  }

  /**
   * Bind keys until `signal` ends.
   * @param {Object<string, function>} actions by key, as `pressed` names it.
   */
  bind(actions, signal) {
    this.bindings.push(actions);
    signal.addEventListener('abort', () => {
      this.bindings = this.bindings.filter((other) => other !== actions);
    });
  }

  /** Before anybody else: a held Enter or space does not press a button again and again, and letters may be off. */
  before(event) {
    const button = event.target instanceof Element && event.target.closest('button');
    if (event.repeat && button && (event.key === 'Enter' || event.key === ' ')) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    const alone = event.key.length === 1 && event.key !== ' ' && !event.ctrlKey && !event.metaKey && !event.altKey;
    if (alone && !this.on && !writes(event.target)) event.stopImmediatePropagation();
  }

  take(event) {
    const key = pressed(event);
    if (key === null || writes(event.target) || document.querySelector('dialog[open]')) return;
    for (const actions of [...this.bindings].reverse()) {
      if (Object.hasOwn(actions, key)) {
        event.preventDefault();
        actions[key]();
        return;
      }
    }
  }
}
