/** The last decision of this person, and for how long it can be taken back. */

import {el, put} from './dom.js';
import {icon} from './icons.js';
import {decidedWord, nameNode} from './scan_texts.js';

export class UndoBar {
  /** @param {object} app @param {function} onUndo the button was pressed. */
  constructor(app, onUndo) {
    this.app = app;
    this.onUndo = onUndo;
    this.last = null;
    this.left = el('span', {class: 'undo-left', aria: {hidden: true}});
    this.element = el('div', {class: 'undo-bar', hidden: true});
  }

  /**
   * Offer to undo a decision that is saved.
   * @param {object} last `scan` (summary), `decision` (record), `until` (performance.now() up to which it is offered).
   */
  offer(last) {
    this.last = last;
    this.app.undoable = last;
    const {t, texts} = this.app;
    const button = el('button', {class: 'button', type: 'button', data: {kind: 'small'}, on: {click: () => this.onUndo()}},
      t('undo.undo'), el('kbd', {text: t('key.undo')}));
    put(this.element, icon(last.decision.decision === 'clear' ? 'tick' : 'flag'),
      el('span', {class: 'undo-text'}, el('strong', null, nameNode(last.scan)), el('span', {class: 'small'}, decidedWord(texts, last.decision.decision), ' · ', this.left)), button);
    this.element.hidden = false;
    this.tick();
  }

  /** What can be undone now, null where there is nothing. */
  get open() {
    return this.last && performance.now() < this.last.until ? this.last : null;
  }

  close() {
    this.last = null;
    this.app.undoable = null;
    this.element.hidden = true;
  }

  /** Show the seconds that are left; the offer ends with them. */
  tick() {
    if (!this.last) return;
    const seconds = (this.last.until - performance.now()) / 1000;
    if (seconds <= 0) this.close();
    else this.left.textContent = this.app.t('time.seconds', {seconds: Math.ceil(seconds)});
  }
}
