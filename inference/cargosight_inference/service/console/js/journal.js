/** Views and uses of filters, sent one after another behind the work; kept and sent again while there is no connection. */

const MOST = 500;
const WAIT_MS = 4000;
const GATHER_MS = 1500;

/** It dispatches `flush` for whoever knows of uses that go on: they are told as far as they are (`filtered`). */
export class Journal extends EventTarget {
  /** @param {Api} api */
  constructor(api) {
    super();
    this.api = api;
    this.account = null;
    this.waiting = [];
    this.uses = new Map();
    this.working = null; // the promise of the end of sending, while there is something to be sent
    this.onItsWay = null;
  }

  /**
   * Who is signed in, null for nobody: what one person did is never sent in another's name. What is left of one who has
   * gone is kept until that person or another comes.
   */
  setAccount(name) {
    if (name === null) this.gather();
    this.account = name;
    if (name === null) return;
    this.waiting = this.waiting.filter((entry) => entry.account === name);
    this.work();
  }

  /** A scan was opened. */
  viewed(scan) {
    this.add({path: `/scans/${scan}/view`, body: {}});
    this.work();
  }

  /** A filter was used for some seconds; uses of one filter on one scan within a moment are one entry. */
  filtered(scan, filter, seconds) {
    if (this.account === null) return;
    const key = `${scan} ${filter}`;
    const use = this.uses.get(key);
    if (use) use.seconds += seconds;
    else {
      this.uses.set(key, {scan, filter, seconds});
      setTimeout(() => {
        this.close(key);
        this.work();
      }, GATHER_MS);
    }
  }

  /** End the gathering of every use now, and tell of those that go on. */
  flush() {
    this.gather();
    this.work();
  }

  /** Send what is gathered, and wait until it is recorded; no longer than this. */
  async settled(milliseconds) {
    this.flush();
    await Promise.race([this.working, new Promise((resolve) => setTimeout(resolve, milliseconds))]);
  }

  /** The page goes away: send what is left, without waiting for answers. What is on its way is not sent again. */
  lastWords() {
    this.gather();
    for (const entry of this.waiting) {
      if (entry !== this.onItsWay && entry.account === this.account) this.api.postLast(entry.path, entry.body);
    }
    this.waiting = this.waiting.filter((entry) => entry === this.onItsWay);
  }

  gather() {
    this.dispatchEvent(new Event('flush'));
    for (const key of [...this.uses.keys()]) this.close(key);
  }

  close(key) {
    const use = this.uses.get(key);
    if (!use) return;
    this.uses.delete(key);
    this.add({path: `/scans/${use.scan}/filters`, body: {filter: use.filter, seconds: Math.round(use.seconds * 1000) / 1000}});
  }

  add(entry) {
    if (this.waiting.length >= MOST) this.waiting.shift();
    this.waiting.push({...entry, account: this.account});
  }

  /** Whether there is something that may be sent now. */
  get due() {
    return this.waiting.length > 0 && this.waiting[0].account === this.account;
  }

  work() {
    if (this.working === null && this.due) this.working = this.sendAll();
  }

  async sendAll() {
    while (this.due) {
      const entry = this.waiting[0];
      this.onItsWay = entry;
      try {
        await this.api.post(entry.path, entry.body);
      } catch (error) {
        if (error.passing || error.status === 401) {
          this.onItsWay = null;
          await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
          continue;
        }
      }
      this.onItsWay = null;
      if (this.waiting[0] === entry) this.waiting.shift();
    }
    this.working = null;
  }
}
