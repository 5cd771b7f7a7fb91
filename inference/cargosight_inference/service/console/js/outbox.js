/**
 * What has to reach the service exactly once: decisions, undoing, confirmations, marks, secondary inspections.
 *
 * An entry keeps the id of its request until the service has answered it, over lost connections and reloads of the page,
 * so that however often it is sent it is recorded once. Nothing is called saved before the service has said so.
 */

import {ApiError, requestId} from './api.js';

const KEPT = 'cargosight-outbox';
const FIRST_WAIT_MS = 1000;
const MOST_WAIT_MS = 10000;
const DECISION_WAITS_MS = 500; // for what was looked at before it to be recorded

export class Outbox extends EventTarget {
  /**
   * @param {Api} api
   * @param {Journal} journal of what was looked at, which is recorded before what was decided on it.
   * @param {Storage} storage where entries outlive a reload.
   */
  constructor(api, journal, storage = window.localStorage) {
    super();
    this.api = api;
    this.journal = journal;
    this.storage = storage;
    this.account = null;
    this.entries = [];
    window.addEventListener('online', () => this.hurry());
  }

  /** Who is signed in; entries that this person left behind are sent now, those of others are only counted. */
  setAccount(name) {
    this.account = name;
    const kept = this.read();
    for (const entry of kept) {
      if (entry.account === name && !this.find(entry.requestId)) this.add({...entry}).catch(() => {});
    }
    this.hurry();
    this.changed();
  }

  /**
   * Send `body` to `path` with a request id of its own.
   * @param {object} about `scan` (its id) and `kind` (what it is, for the display).
   * @returns {Promise<object>} the service's answer, and `sentAt` (of the try that succeeded, performance.now());
   *     rejected with an ApiError where the service refuses for good.
   */
  submit(path, body, about) {
    const id = requestId();
    return this.add({requestId: id, account: this.account, path, body: {...body, request_id: id}, ...about});
  }

  /** Entries of the person who is signed in that are not yet saved. */
  get pending() {
    return this.entries.filter((entry) => entry.account === this.account);
  }

  /** The pending decision of a scan, of whatever kind, or null; marks wait for nothing. */
  decisionOf(scan) {
    return this.pending.find((entry) => entry.scan === scan && entry.kind !== 'mark') ?? null;
  }

  /** How many entries of other people wait in this browser. */
  get ofOthers() {
    return this.read().filter((entry) => entry.account !== this.account).length;
  }

  /** Give up what is not saved of a person who signs out: nobody finds it in this browser afterwards. */
  discard(name) {
    for (const entry of this.entries.filter(({account}) => account === name)) {
      clearTimeout(entry.timer);
      this.remove(entry);
    }
    this.keep(this.read().filter((entry) => entry.account !== name));
    this.changed();
  }

  /** Try again at once. */
  hurry() {
    for (const entry of this.pending) {
      if (entry.state === 'waiting') this.send(entry);
    }
  }

  find(id) {
    return this.entries.find((entry) => entry.requestId === id) ?? null;
  }

  add(entry) {
    Object.assign(entry, {state: 'new', attempts: 0, problem: ''});
    entry.outcome = new Promise((resolve, reject) => Object.assign(entry, {resolve, reject}));
    this.entries.push(entry);
    this.write();
    this.send(entry);
    return entry.outcome;
  }

  async send(entry) {
    clearTimeout(entry.timer);
    if (!this.mayGo(entry)) return;
    entry.state = 'sending';
    entry.attempts += 1;
    this.changed();
    if (entry.attempts === 1) {
      await this.journal.settled(DECISION_WAITS_MS);
      if (!this.mayGo(entry)) { // meanwhile the person has left, or it was given up
        Object.assign(entry, {state: 'waiting', attempts: 0});
        return;
      }
    }
    const sentAt = performance.now();
    try {
      const answer = await this.api.post(entry.path, entry.body);
      this.remove(entry);
      entry.resolve({...answer, sentAt});
    } catch (error) {
      if (error.passing || error.status === 401) this.later(entry, error);
      else {
        this.remove(entry);
        entry.reject(error);
      }
    }
  }

  /** Whether an entry is still to be sent, and by the person who is signed in. */
  mayGo(entry) {
    return entry.account === this.account && this.entries.includes(entry);
  }

  later(entry, error) {
    if (!this.entries.includes(entry)) return; // it was given up meanwhile
    const wait = Math.min(FIRST_WAIT_MS * 2 ** (entry.attempts - 1), MOST_WAIT_MS);
    entry.state = 'waiting';
    entry.problem = error instanceof ApiError ? error.message : '';
    entry.timer = setTimeout(() => this.send(entry), Math.max(wait, (error.retryAfter ?? 0) * 1000));
    this.changed();
  }

  remove(entry) {
    this.entries = this.entries.filter((other) => other !== entry);
    this.write(entry.requestId);
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event('change'));
  }

  read() {
    try {
      return JSON.parse(this.storage.getItem(KEPT) ?? '[]');
    } catch {
      return [];
    }
  }

  /** Keep what is not saved yet, beside what other windows keep. @param {string|null} done id of what is saved now. */
  write(done = null) {
    const known = new Set([done, ...this.entries.map((entry) => entry.requestId)]);
    const others = this.read().filter((entry) => !known.has(entry.requestId));
    const own = this.entries.map(({requestId: id, account, path, body, scan, kind}) => ({requestId: id, account, path, body, scan, kind}));
    this.keep([...others, ...own]);
  }

  keep(entries) {
    try {
      if (entries.length === 0) this.storage.removeItem(KEPT);
      else this.storage.setItem(KEPT, JSON.stringify(entries));
    } catch {
      // Without room to keep it the entry lives as long as the page: it is sent all the same.
    }
  }
}
