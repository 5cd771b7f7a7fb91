/** The strip below the picture: what waits, and what was decided, the latest first. */

import {el, put} from './dom.js';
import {icon} from './icons.js';
import {adviceSign, nameNode, nameOf, stateSign} from './scan_texts.js';

const MOST_WAITING = 12;
const MOST_PREVIOUS = 40;

export class Strip {
  /**
   * @param {object} app
   * @param {Thumbnails} thumbnails
   * @param {function(number)} onOpen a scan was chosen.
   */
  constructor(app, thumbnails, onOpen) {
    Object.assign(this, {app, thumbnails, onOpen});
    this.waiting = el('ol', {class: 'strip-list'});
    this.waitingPart = el('div', {class: 'strip-part', data: {part: 'waiting'}}, el('h3', {class: 'strip-title', text: app.t('strip.waiting')}), this.waiting);
    this.previous = el('ol', {class: 'strip-list'});
    this.previousPart = el('div', {class: 'strip-part', data: {part: 'previous'}}, el('h3', {class: 'strip-title', text: app.t('strip.previous')}), this.previous);
    this.element = el('nav', {class: 'strip', aria: {label: app.t('strip.scans')}}, this.waitingPart, this.previousPart);
  }

  /** Show the state. @param {number|null} open id of the scan that is shown. */
  update(state, open) {
    const queue = state.queue(open).slice(0, MOST_WAITING);
    this.waitingPart.hidden = queue.length === 0;
    this.fill(this.waiting, queue, open, state);
    const previous = state.previous().slice(0, MOST_PREVIOUS);
    this.previousPart.hidden = previous.length === 0;
    this.fill(this.previous, previous, open, state);
  }

  /** Bring a list up to date, keeping the elements that stay, and with them the focus. */
  fill(list, scans, open, state) {
    const present = new Map([...list.children].map((item) => [Number(item.dataset.scan), item]));
    const wanted = scans.map((scan) => {
      const item = present.get(scan.id) ?? this.item(scan);
      this.show(item, scan, scan.id === open, state.others(scan));
      return item;
    });
    const keep = new Set(wanted);
    for (const item of present.values()) if (!keep.has(item)) item.remove();
    wanted.forEach((item, place) => {
      if (list.children[place] !== item) list.insertBefore(item, list.children[place] ?? null);
    });
  }

  item(scan) {
    const button = el('button', {class: 'strip-item', type: 'button', on: {click: () => this.onOpen(scan.id)}});
    return el('li', {data: {scan: scan.id}}, button);
  }

  show(item, scan, open, others) {
    const {texts} = this.app;
    const state = stateSign(scan.state);
    const advice = adviceSign(scan.advice);
    const facts = [open, scan.state, scan.advice, scan.late, others.join(), scan.has_picture].join('|');
    if (item.dataset.facts === facts) return;
    item.dataset.facts = facts;
    const button = item.firstElementChild;
    const words = [texts.t(state.key), texts.t(advice.key)];
    if (scan.late) words.push(texts.t('flag.late'));
    if (others.length) words.push(texts.t('flag.viewers', {names: others.join(', ')}));
    button.setAttribute('aria-label', `${nameOf(scan)}: ${words.join(', ')}`);
    button.title = `${nameOf(scan)} · ${texts.clock(scan.received_at)} · ${words.join(', ')}`;
    if (open) button.setAttribute('aria-current', 'true');
    else button.removeAttribute('aria-current');
    const tone = scan.state === 'undecided' ? advice : state;
    put(button, scan.has_picture ? this.thumbnails.of(scan.id) : el('span', {class: 'thumbnail'}),
      el('span', {class: 'strip-sign', data: {tone: tone.tone}}, icon(tone.sign)),
      others.length > 0 && el('span', {class: 'strip-viewers'}, icon('person')),
      el('span', {class: 'strip-name'}, nameNode(scan)));
  }
}
