/**
 * The service's live events, read so that none is missed.
 *
 * The stream is read with fetch and not with EventSource, which keeps the service's comment lines to itself: they are
 * the only sign that a quiet stream still lives. After 40 s without a byte the stream is opened anew behind the last
 * event seen.
 */

import {Api} from './api.js';

const SILENCE_MS = 40000;
const FIRST_WAIT_MS = 1000;
const MOST_WAIT_MS = 10000;

/** Splits a text/event-stream into events; pieces may end anywhere. */
export class EventParser {
  constructor() {
    this.rest = '';
    this.last = null;
    this.begin();
  }

  begin() {
    this.kind = 'message';
    this.lines = [];
  }

  /** Take the next piece of text; `last` is the id to resume behind. @returns {Array<{kind: string, data: string}>} */
  take(text) {
    const events = [];
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop();
    for (const line of lines) {
      if (line === '') {
        if (this.lines.length) events.push({kind: this.kind, data: this.lines.join('\n')});
        this.begin();
      } else this.field(line);
    }
    return events;
  }

  field(line) {
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'id') this.last = value;
    else if (name === 'event') this.kind = value;
    else if (name === 'data') this.lines.push(value);
  }
}

export class EventStream {
  /**
   * @param {object} parts `lane` (null for all own lanes), `onEvent(kind, data)`, `onOpen()` after every (re)connection,
   *     `onState('connecting'|'live'|'lost')`, `onSignedOut()`, and `silenceMs` for tests.
   */
  constructor({lane = null, onEvent, onOpen, onState, onSignedOut = () => {}, silenceMs = SILENCE_MS}) {
    Object.assign(this, {lane, onEvent, onOpen, onState, onSignedOut, silenceMs});
    this.last = null;
    this.wait = FIRST_WAIT_MS;
    this.running = false;
    this.retry = null;
    this.again = () => this.hurry();
  }

  start() {
    this.running = true;
    window.addEventListener('online', this.again);
    document.addEventListener('visibilitychange', this.again);
    this.connect();
  }

  stop() {
    this.running = false;
    window.removeEventListener('online', this.again);
    document.removeEventListener('visibilitychange', this.again);
    clearTimeout(this.retry);
    clearTimeout(this.watchdog);
    this.connection?.abort();
  }

  /** Try again at once where a retry is waited for. */
  hurry() {
    if (!this.running || this.retry === null || document.hidden) return;
    clearTimeout(this.retry);
    this.connect();
  }

  async connect() {
    this.retry = null;
    this.connection = new AbortController();
    const {signal} = this.connection;
    this.onState('connecting');
    this.listen();
    try {
      const address = Api.address('/events', {lane: this.lane, after: this.last});
      const answer = await fetch(address, {headers: {Accept: 'text/event-stream'}, cache: 'no-store', signal});
      if (answer.status === 401 || answer.status === 403) {
        this.stop();
        this.onSignedOut();
        return;
      }
      if (answer.ok) await this.read(answer.body.getReader());
    } catch {
      // However a stream ends, the next one begins behind the last event: the loss is shown, and nothing is lost.
    }
    this.lost();
  }

  async read(reader) {
    this.wait = FIRST_WAIT_MS;
    this.onState('live');
    this.onOpen();
    const parser = new EventParser();
    const decoder = new TextDecoder();
    for (;;) {
      const {done, value} = await reader.read();
      if (done) return;
      this.listen();
      for (const event of parser.take(decoder.decode(value, {stream: true}))) {
        this.onEvent(event.kind, JSON.parse(event.data));
      }
      this.last = parser.last ?? this.last;
    }
  }

  /** Wait for the next byte, but not for ever. */
  listen() {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.connection.abort(), this.silenceMs);
  }

  lost() {
    clearTimeout(this.watchdog);
    if (!this.running) return;
    this.onState('lost');
    this.retry = setTimeout(() => this.connect(), this.wait * (0.75 + Math.random() / 2));
    this.wait = Math.min(this.wait * 2, MOST_WAIT_MS);
  }
}
