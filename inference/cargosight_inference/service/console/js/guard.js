/**
 * No decision by accident.
 *
 * A decision is taken only once a scan has been in sight for a moment, and only from a key that was pressed for it: no
 * repeat of a held key, none together with Ctrl, Alt, Meta or Shift, none while a text is written or composed.
 */

const MOMENT_MS = 400;
const PATIENCE_MS = 2000;
const WRITTEN = 'input:not([type="checkbox"], [type="radio"], [type="range"], [type="button"], [type="submit"]), textarea, select, [contenteditable]';

/** Knows for how long the present scan has been in sight. */
export class AppearanceGuard {
  constructor(now = () => performance.now()) {
    this.now = now;
    this.begin();
  }

  /** A scan takes the place of another; nothing is in sight yet. */
  begin() {
    this.since = null;
    this.begun = this.now();
  }

  /** The same scan is to be decided anew. */
  restart() {
    this.begin();
    this.appeared();
  }

  /** The scan, or the word that it has no picture, is in sight. */
  appeared() {
    this.since ??= this.now();
  }

  /** Whether it has been in sight long enough to be decided on. */
  get open() {
    return this.since !== null && this.now() - this.since >= MOMENT_MS;
  }

  /** Whether it may be referred: also when its picture does not come. */
  get openToRefer() {
    return this.open || (this.since === null && this.now() - this.begun >= PATIENCE_MS);
  }

  /** Seconds in sight, null before. */
  get seconds() {
    return this.since === null ? null : (this.now() - this.since) / 1000;
  }
}

/** Whether a text is being written in `target`, so that letters are letters. */
export function writes(target) {
  return target instanceof Element && target.closest(WRITTEN) !== null;
}

/**
 * The letter, sign or name of a key pressed alone and on purpose, in lower case; null of any other. Where the keyboard
 * writes another script, the place of the Latin letter counts, as it does for the viewer's keys.
 */
export function pressed(event) {
  if (event.repeat || event.isComposing || event.defaultPrevented) return null;
  if (event.ctrlKey || event.altKey || event.metaKey) return null;
  const {key, code} = event;
  if (key.length !== 1) return event.shiftKey ? null : key;
  const isLetter = key.toLowerCase() !== key.toUpperCase();
  if (event.shiftKey && isLetter) return null;
  return key.charCodeAt(0) > 127 && /^Key[A-Z]$/.test(code) ? code.slice(3).toLowerCase() : key.toLowerCase();
}
