/**
 * From keys to actions: held, latched, pressed.
 */

import {bindingsOf, KEYMAP} from './keymap.js';

const DOUBLE_TAP_MS = 350;

/**
 * @typedef {object} Holdable       Something that is on while a key is held.
 * @property {() => boolean} available
 * @property {() => void} lacking      say why it is not available
 * @property {() => boolean} isLatched
 * @property {() => void} hold
 * @property {() => void} release
 * @property {(on: boolean) => void} latch
 */

/** Listens to one viewer's keys. */
export class Keyboard {
  /**
   * @param {object} ties
   * @param {HTMLElement} ties.host
   * @param {EventTarget} ties.target               where keys are listened for
   * @param {(action: string) => boolean} ties.act  returns false where there is nothing to do
   * @param {(binding: import('./keymap.js').KeyBinding) => Holdable} ties.holdable
   * @param {(event: KeyboardEvent) => boolean} ties.first   asked before all else; true where it took the key
   * @param {() => void} ties.letGo                 the keys that are held will not be heard to go up
   */
  constructor({host, target, act, holdable, first, letGo}) {
    Object.assign(this, {_host: host, _act: act, _holdable: holdable, _first: first, _letGo: letGo});
    /** @type {readonly import('./keymap.js').KeyBinding[]} */
    this.keymap = KEYMAP;
    /** @type {Map<string, Holdable>} */
    this._held = new Map();
    this._lastTap = {id: null, at: -Infinity};
    this._listening = new AbortController();
    const {signal} = this._listening;
    target.addEventListener('keydown', (event) => this._down(event), {signal});
    target.addEventListener('keyup', (event) => this._up(event), {signal});
    window.addEventListener('blur', () => this.releaseAll(), {signal});
    document.addEventListener('visibilitychange', () => this.releaseAll(), {signal});
  }

  close() {
    this.releaseAll();
    this._listening.abort();
  }

  releaseAll() {
    this._held.clear();
    this._letGo();
  }

  _down(event) {
    if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) {
      return;
    }
    if (isTyping(event.target) || isBehindDialog(this._host)) {
      return;
    }
    const onPicture = isOnPicture(this._host, event.target);
    const reaches = onPicture || (event.key !== 'Enter' && isWithoutArrows(event.target)); // Enter is the button's own
    if ((reaches && this._first(event)) || this._perform(event, reaches)) {
      event.preventDefault();
    }
  }

  _up(event) {
    this._held.get(event.code)?.release();
    this._held.delete(event.code);
  }

  _perform(event, reaches) {
    const bindings = bindingsOf(this.keymap, event).filter(({scope}) => scope === 'page' || reaches);
    let missing = null;
    for (const binding of bindings) {
      if (binding.mode === 'hold') {
        const holdable = this._holdable(binding);
        if (holdable.available()) {
          this._hold(event, binding, holdable);
          return true;
        }
        missing ??= holdable;
      } else if (event.repeat && binding.mode !== 'repeat') {
        return true;
      } else if (this._act(binding.action)) {
        return true;
      }
    }
    if (!event.repeat) {
      missing?.lacking();
    }
    return missing !== null;
  }

  _hold(event, binding, holdable) {
    if (event.repeat || this._held.has(event.code)) {
      return;
    }
    const id = `${binding.action} ${binding.argument ?? ''}`;
    const isSecondTap = this._lastTap.id === id && event.timeStamp - this._lastTap.at < DOUBLE_TAP_MS;
    this._lastTap = {id: isSecondTap ? null : id, at: event.timeStamp};
    if (holdable.isLatched()) {
      this._lastTap.id = null;
      holdable.latch(false);
      return;
    }
    holdable.hold();
    this._held.set(event.code, holdable);
    if (isSecondTap || event.shiftKey) {
      holdable.latch(true);
    }
  }
}

function isTyping(target) {
  if (!(target instanceof Element)) {
    return false;
  }
  if (target.closest('textarea, select, [contenteditable]:not([contenteditable="false"])')) {
    return true;
  }
  const plain = ['button', 'checkbox', 'color', 'file', 'image', 'radio', 'range', 'reset', 'submit'];
  return target instanceof HTMLInputElement && !plain.includes(target.type);
}

function isBehindDialog(host) {
  return [...document.querySelectorAll('dialog:modal')].some((dialog) => !dialog.contains(host));
}

function isOnPicture(host, target) {
  return !(target instanceof Element) || host.contains(target) || target.matches('html, body, main, h1, h2, h3');
}

/** Whether an element has no use for arrow keys: what is pressed or followed, but for toolbars, where they move the focus. */
function isWithoutArrows(target) {
  return target.matches('a, button, summary') && target.closest('[role="toolbar"]') === null;
}
