/** Keeps a lane's state true: loads it, follows its events, loads it anew after every loss of the connection. */

import {EventStream} from './event_stream.js';

const STRIP = 40;
const MOST_OPEN = 200;
const CHECK_MS = 15000;
const SOON_MS = 1500;

export class LaneFeed {
  /**
   * @param {object} app
   * @param {string} name of the lane.
   * @param {LaneState} state
   * @param {object} told `onLane(lane)`, `onEvent(kind, data, summary, before)`, `onLoaded()`, `onConnection(state)`.
   */
  constructor(app, name, state, told) {
    Object.assign(this, {app, name, state, told});
    this.early = null;
    this.stopped = new AbortController();
    this.stream = new EventStream({
      lane: name,
      onEvent: (kind, data) => this.take(kind, data),
      onOpen: () => this.load(),
      onState: (connection) => told.onConnection(connection),
      onSignedOut: () => app.sessionEnded(),
    });
  }

  start() {
    this.stream.start();
    this.timer = setInterval(() => this.check(), CHECK_MS);
  }

  stop() {
    this.stream.stop();
    this.stopped.abort();
    clearInterval(this.timer);
    clearTimeout(this.soon);
    clearTimeout(this.again);
  }

  /** Load everything; events that come meanwhile are taken up after it, so that none is overwritten. */
  async load() {
    clearTimeout(this.again);
    this.early ??= [];
    const scans = `/lanes/${this.name}/scans`;
    const {api} = this.app;
    const {signal} = this.stopped;
    try {
      const [lane, latest, undecided, toConfirm] = await Promise.all([
        api.get(`/lanes/${this.name}`, {}, signal),
        api.get(scans, {limit: STRIP}, signal),
        api.get(scans, {state: 'undecided', limit: MOST_OPEN}, signal),
        api.get(scans, {state: 'to_confirm', limit: MOST_OPEN}, signal),
      ]);
      const all = new Map([latest, undecided, toConfirm].flatMap((page) => page.scans).map((scan) => [scan.id, scan]));
      this.told.onLane(lane);
      this.state.reset(all.values());
      const early = this.early;
      this.early = null;
      this.told.onLoaded();
      for (const [kind, data] of early) this.take(kind, data);
    } catch {
      // Whatever was in the way, the lane is not known: it is asked for again until it is.
      if (!signal.aborted) this.again = setTimeout(() => this.load(), SOON_MS);
    }
  }

  take(kind, data) {
    if (this.early) {
      this.early.push([kind, data]);
      return;
    }
    const before = this.state.get(data.id);
    const summary = this.state.apply(kind, data);
    this.told.onEvent(kind, data, summary, before);
    if (kind === 'model.changed' || kind.startsWith('scan.')) this.loadLaneSoon();
  }

  /** Ask from time to time who still looks at what, which no event tells, and whether a scan waits that is not known. */
  async check() {
    await this.loadLane();
    if (this.early) return;
    try {
      const {scans} = await this.app.api.get(`/lanes/${this.name}/scans`, {state: 'undecided', limit: MOST_OPEN}, this.stopped.signal);
      for (const scan of scans) {
        if (this.state.get(scan.id)) this.state.update(scan.id, {viewers: scan.viewers});
        else this.take('scan.inspected', scan);
      }
    } catch {
      // The next time will do.
    }
  }

  loadLaneSoon() {
    this.soon ??= setTimeout(() => {
      this.soon = null;
      this.loadLane();
    }, SOON_MS);
  }

  /** Load the numbers of the queue and the state of the model, which events do not carry. */
  async loadLane() {
    try {
      this.told.onLane(await this.app.api.get(`/lanes/${this.name}`, {}, this.stopped.signal));
    } catch {
      // The numbers stay as they were; the connection's own state says that it is lost.
    }
  }
}
