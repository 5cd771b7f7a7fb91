/** What a lane view knows of its lane's scans, and which of them is next. No display and no network in here. */

const KEPT = 60;
const DECIDED = new Set(['cleared', 'referred', 'closed']);
const DECIDING_EVENTS = new Set(['scan.decided', 'scan.closed']);

export class LaneState extends EventTarget {
  /**
   * @param {string} me name of the account that looks.
   * @param {boolean} decides whether it may decide.
   */
  constructor(me, decides) {
    super();
    this.me = me;
    this.decides = decides;
    this.scans = new Map();
    this.held = new Set();
  }

  /** Replace what is known by what the service has just told. */
  reset(summaries) {
    const viewers = new Map([...this.scans].map(([id, scan]) => [id, scan.viewers ?? []]));
    this.scans = new Map();
    for (const summary of summaries) this.scans.set(summary.id, {...summary, viewers: summary.viewers ?? viewers.get(summary.id) ?? []});
    this.changed();
  }

  /** Take up an event. @returns {object|null} the scan's summary as it is known now, null of an event without one. */
  apply(kind, data) {
    if (kind === 'scan.viewed') return this.viewed(data.scan, data.by);
    if (!kind.startsWith('scan.') || data.id === undefined) return null;
    const known = this.scans.get(data.id);
    const summary = {...data, viewers: data.viewers ?? known?.viewers ?? []};
    if (known && DECIDED.has(known.state) && !DECIDING_EVENTS.has(kind)) {
      // An event that was under way while the decision was recorded does not take it back.
      Object.assign(summary, {state: known.state, decision: known.decision});
    }
    this.scans.set(summary.id, summary);
    this.forget();
    this.changed();
    return summary;
  }

  /** Take up what a request has told before its event comes. */
  update(id, values) {
    const known = this.scans.get(id);
    if (!known) return;
    this.scans.set(id, {...known, ...values});
    this.changed();
  }

  /** Keep a scan out of the queue while a decision of it is under way, or put it back. */
  hold(id, held) {
    if (held) this.held.add(id);
    else this.held.delete(id);
    this.changed();
  }

  get(id) {
    return this.scans.get(id) ?? null;
  }

  /** Whether a scan waits for this person: to decide it, or to confirm another's decision. */
  isTask(scan) {
    if (!scan || this.held.has(scan.id)) return false;
    if (scan.state === 'undecided') return true;
    return scan.state === 'to_confirm' && scan.decision?.by !== this.me;
  }

  /** The scans that wait for this person, oldest first, without the one that is open. */
  queue(open = null) {
    return [...this.scans.values()].filter((scan) => scan.id !== open && this.isTask(scan)).sort((a, b) => a.id - b.id);
  }

  /** The scan to open next: the oldest that nobody else looks at, else the oldest; null where none waits. */
  next(open = null) {
    const queue = this.queue(open);
    return queue.find((scan) => this.others(scan).length === 0) ?? queue[0] ?? null;
  }

  /** Who else looks at a scan. */
  others(scan) {
    return (scan?.viewers ?? []).filter((name) => name !== this.me);
  }

  /** The scans that are behind: decided, or waiting for somebody else; the latest first. */
  previous(open = null) {
    const behind = [...this.scans.values()].filter((scan) => scan.id !== open && scan.state !== 'waiting' && !this.held.has(scan.id) && !this.isTask(scan));
    return behind.sort((a, b) => moment(b) - moment(a) || b.id - a.id);
  }

  /** A person looks at one scan at a time: the one named last. */
  viewed(id, by) {
    for (const scan of this.scans.values()) {
      const looking = scan.viewers.includes(by);
      if (scan.id === id && !looking) scan.viewers = [...scan.viewers, by];
      else if (scan.id !== id && looking) scan.viewers = scan.viewers.filter((name) => name !== by);
    }
    this.changed();
    return null;
  }

  /** Drop the oldest of those that are behind. */
  forget() {
    for (const scan of this.previous().slice(KEPT)) this.scans.delete(scan.id);
  }

  changed() {
    this.dispatchEvent(new Event('change'));
  }
}

function moment(scan) {
  return Date.parse(scan.decision?.at ?? scan.received_at) || 0;
}
