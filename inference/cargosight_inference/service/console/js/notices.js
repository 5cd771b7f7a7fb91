/** Short messages: seen in a corner that covers no picture and no list, and heard politely. */

import {el} from './dom.js';
import {icon} from './icons.js';

const SECONDS = 7;
const MOST = 4;
const SIGNS = {note: 'info', good: 'tick', warn: 'warning'};

export class Notices {
  /** @param {Texts} texts */
  constructor(texts) {
    this.texts = texts;
    this.list = el('ol', {class: 'notices', aria: {label: texts.t('notice.list')}});
    this.voice = el('div', {class: 'hidden-text', role: 'status', aria: {live: 'polite'}});
    this.turn = 0;
  }

  /** Tell those who listen. The same words twice are two messages. */
  announce(text) {
    this.turn += 1;
    this.voice.textContent = this.turn % 2 ? text : `${text}\u00a0`;
  }

  /**
   * Show a message, and announce it.
   * @param {string} text
   * @param {object} options `tone` (`note`, `good`, `warn`), `stays` until it is closed, `action` ({text, run}).
   * @returns {function} closes it.
   */
  show(text, {tone = 'note', stays = tone === 'warn', action = null} = {}) {
    const close = () => item.remove();
    const item = el('li', {class: 'box notice', data: {tone}}, icon(SIGNS[tone]), el('p', {text}));
    if (action) {
      item.append(el('button', {class: 'button', type: 'button', data: {kind: 'small'}, text: action.text, on: {click: () => {
        close();
        action.run();
      }}}));
    }
    item.append(el('button', {class: 'button', type: 'button', data: {kind: 'sign'}, aria: {label: this.texts.t('notice.close')}, on: {click: close}}, icon('cross')));
    this.list.append(item);
    while (this.list.children.length > MOST) this.list.firstElementChild.remove();
    if (!stays) this.fade(item);
    this.announce(text);
    return close;
  }

  /** Take every message away: the next person has no use for them. */
  clear() {
    this.list.replaceChildren();
    this.voice.textContent = '';
  }

  /** Show what a request was refused for, in the service's words where it has any. */
  problem(error, fallback = this.texts.t('notice.no_answer')) {
    return this.show(error.message || fallback, {tone: 'warn'});
  }

  /** Close a message after a while, but not while it is pointed at or has the focus. */
  fade(item) {
    const timer = setInterval(() => {
      if (item.matches(':hover, :focus-within')) return;
      clearInterval(timer);
      item.remove();
    }, SECONDS * 1000);
  }
}
