/** The lane's state in the head of the page: queue, model, connection. Calm while all is well. */

import {el, put, say} from './dom.js';
import {icon} from './icons.js';

const CONNECTIONS = {
  connecting: ['connection.connecting', 'broken', 'warn'],
  live: ['connection.live', 'live', 'good'],
  lost: ['connection.lost', 'broken', 'warn'],
};

export class LaneStatus {
  /** @param {Texts} texts */
  constructor(texts) {
    this.texts = texts;
    this.queue = el('span', {class: 'status-item', data: {part: 'queue'}});
    this.model = el('span', {class: 'status-item', data: {part: 'model'}});
    this.connection = el('span', {class: 'status-item', data: {part: 'connection'}});
    this.outbox = el('span', {class: 'status-item', data: {part: 'outbox', tone: 'warn'}, hidden: true});
    this.title = el('span', {class: 'lane-title'});
    this.element = el('div', {class: 'lane-status', role: 'group', aria: {label: texts.t('lane.status')}},
      this.title, this.queue, this.model, this.connection, this.outbox);
    this.setConnection('connecting');
  }

  /** @param {object} lane as the service tells it. @param {number} mine how many scans wait for this person. */
  setLane(lane, mine) {
    const {t, count} = this.texts;
    say(this.title, lane.title || lane.name);
    const parts = [count('queue.to_decide', mine)];
    const inspecting = lane.queue.waiting + (lane.queue.inspecting ?? 0);
    if (inspecting) parts.push(count('queue.inspecting', inspecting));
    this.fill(this.queue, 'queue', parts.join(' · '));
    this.queue.title = lane.queue.oldest_seconds ? t('queue.oldest', {time: this.texts.span(lane.queue.oldest_seconds)}) : '';
    const {model} = lane;
    this.model.dataset.tone = model.ready ? 'good' : 'warn';
    this.fill(this.model, model.ready ? 'chip' : 'warning',
      model.ready ? t('model_state.ready', {model: model.model, point: model.operating_point}) : t('model_state.not_ready'));
    this.model.title = model.ready ? '' : (model.problem ?? '');
  }

  setConnection(state) {
    const [key, sign, tone] = CONNECTIONS[state];
    this.connection.dataset.tone = tone;
    this.connection.dataset.state = state;
    this.fill(this.connection, sign, this.texts.t(key));
  }

  /** How many decisions and marks have not reached the service yet. */
  setPending(pending) {
    this.outbox.hidden = pending === 0;
    if (pending) this.fill(this.outbox, 'warning', this.texts.count('queue.unsaved', pending));
  }

  fill(item, sign, text) {
    if (item.dataset.text === text) return;
    item.dataset.text = text;
    put(item, icon(sign), el('span', {text}));
  }
}
