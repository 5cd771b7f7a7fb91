/** The audit records: listed, exported, verified. */

import {Api} from '../api.js';
import {field} from '../dialogs.js';
import {el, put} from '../dom.js';
import {icon} from '../icons.js';
import {auditTable} from '../records.js';
import {loadInto} from '../tables.js';

const PAGE = 100;

/** Show the part. */
export function openAudit(app, host, signal) {
  const page = new Audit(app, host, signal);
  page.latest();
}

class Audit {
  constructor(app, host, signal) {
    Object.assign(this, {app, signal, after: 0});
    const {t} = app;
    this.scan = el('input', {type: 'number', name: 'scan', min: 1, on: {change: () => this.latest()}});
    this.body = el('div');
    this.outcome = el('div', {role: 'status'});
    const button = (text, run, more = {}) => el('button', {class: 'button', type: 'button', text, on: {click: run}, ...more});
    this.older = button(t('audit.older'), () => this.show(Math.max(0, this.after - PAGE)));
    this.newer = button(t('audit.newer'), () => this.show(this.next ?? this.after));
    this.links = ['jsonl', 'csv'].map((format) => el('a', {class: 'button', data: {format}, text: t(format === 'csv' ? 'audit.csv' : 'audit.jsonl')}));
    this.verifyButton = el('button', {class: 'button', type: 'button', data: {tone: 'accent'}, on: {click: () => this.verify()}}, icon('tick'), t('audit.verify'));
    put(host, el('h2', {text: t('audit.title')}), el('div', {class: 'fields-row'}, field(t('audit.scan'), this.scan), this.older, this.newer, button(t('audit.latest'), () => this.latest()), this.links, this.verifyButton), this.outcome, this.body);
  }

  get filter() {
    return this.scan.value ? {scan: this.scan.value} : {};
  }

  /** Show the last page. A scan's records are few: all of them are. */
  async latest() {
    const last = this.filter.scan ? 0 : await this.lastNumber();
    await this.show(Math.max(0, last - PAGE));
  }

  /** The number of the last record, found by halving: the list can only be read forwards. */
  async lastNumber() {
    const beyond = async (number) => (await this.app.api.get('/audit', {after: number, limit: 1}, this.signal)).records.length === 0;
    try {
      let low = 0;
      let high = PAGE;
      while (!(await beyond(high))) [low, high] = [high, high * 4];
      while (high - low > 1) {
        const middle = Math.floor((low + high) / 2);
        if (await beyond(middle)) high = middle;
        else low = middle;
      }
      return high;
    } catch {
      return 0;
    }
  }

  async show(after) {
    this.after = after;
    for (const link of this.links) {
      link.href = Api.address('/audit/export', {format: link.dataset.format, ...this.filter});
      link.download = `audit.${link.dataset.format}`;
    }
    await loadInto(this.app, this.body, async () => {
      const page = await this.app.api.get('/audit', {after, limit: PAGE, ...this.filter}, this.signal);
      this.next = page.next;
      this.older.disabled = after === 0;
      this.newer.disabled = page.next === null;
      return auditTable(this.app, [...page.records].reverse(), {scans: true});
    });
  }

  /** Let the service walk along the whole chain. */
  async verify() {
    const {t, texts, api, notices} = this.app;
    this.verifyButton.disabled = true;
    put(this.outcome, el('p', {class: 'box'}, icon('clock'), el('span', {text: t('audit.verifying')})));
    try {
      const found = await api.get('/audit/verification', {}, this.signal);
      const text = found.intact
        ? t('audit.intact', {count: texts.number(found.count), number: found.head.seq, hash: found.head.hash})
        : texts.count('audit.wrong', found.wrong);
      put(this.outcome, el('div', {class: 'box', data: {tone: found.intact ? 'good' : 'warn'}}, icon(found.intact ? 'tick' : 'warning'),
        el('div', null, el('p', {class: 'hash', text}), found.problems.length > 0 && el('ul', {class: 'reasons'}, found.problems.map((problem) => el('li', {text: problem}))))));
    } catch (error) {
      put(this.outcome);
      notices.problem(error);
    } finally {
      this.verifyButton.disabled = false;
    }
  }
}
