/** Search for scans by number, class, score, time, lane, decision and operator. */

import {field, select} from '../dialogs.js';
import {el, outside, put} from '../dom.js';
import {icon} from '../icons.js';
import {adviceTag, decisionWord, findingWord, nameNode, stateTag} from '../scan_texts.js';
import {table} from '../tables.js';

const PAGE = 50;

/** Show the part. */
export function openSearch(app, host, signal) {
  const page = new Search(app, host, signal);
  page.send();
}

class Search {
  constructor(app, host, signal) {
    Object.assign(this, {app, signal, found: [], next: null});
    const {t, texts} = app;
    const text = (name, more = {}) => el('input', {type: 'search', name, autocomplete: 'off', ...more});
    const classes = [...new Set(app.lanes.flatMap((lane) => lane.classes ?? []))].sort();
    this.fields = {
      number: text('number'),
      lane: select([['', t('rates.all_lanes')], ...app.lanes.map((lane) => [lane.name, lane.title || lane.name])]),
      label: select([['', t('search.any')], ...classes.map((name) => [name, findingWord(texts, name)])]),
      min_score: el('input', {type: 'number', min: 0, max: 1, step: 0.05, name: 'min_score'}),
      from: el('input', {type: 'datetime-local', name: 'from'}),
      to: el('input', {type: 'datetime-local', name: 'to'}),
      state: select([['', t('search.any')], ...['undecided', 'to_confirm', 'cleared', 'referred', 'closed'].map((state) => [state, t(STATES[state])])]),
      decision: select([['', t('search.any')], ['clear', t('decision.clear')], ['refer', t('decision.refer')]]),
      operator: text('operator'),
    };
    const labels = {
      number: t('column.number_of_scan'), lane: t('column.lane'), label: t('column.class'), min_score: t('search.min_score'), from: t('search.from'),
      to: t('search.to'), state: t('column.state'), decision: t('column.decision'), operator: t('column.person'),
    };
    this.status = el('p', {class: 'soft', role: 'status'});
    this.results = el('div');
    this.more = el('button', {class: 'button', type: 'button', text: t('search.more'), hidden: true, on: {click: () => this.load()}});
    put(host, el('form', {class: 'fields-row search', role: 'search', on: {submit: (event) => {
      event.preventDefault();
      this.send();
    }}}, Object.entries(this.fields).map(([name, control]) => field(labels[name], control)),
    el('button', {class: 'button', type: 'submit', data: {tone: 'accent'}}, icon('search'), t('search.send'))), this.status, this.results, this.more);
  }

  /** Begin a search. */
  send() {
    this.query = Object.fromEntries(Object.entries(this.fields).map(([name, control]) => [name, control.value.trim()]));
    for (const name of ['from', 'to']) if (this.query[name]) this.query[name] = new Date(this.query[name]).toISOString();
    this.found = [];
    this.next = null;
    return this.load();
  }

  /** Load the next page of the results. */
  async load() {
    const {app} = this;
    try {
      const page = await app.api.get('/scans', {...this.query, limit: PAGE, before: this.next}, this.signal);
      this.found.push(...page.scans);
      this.next = page.next;
    } catch (error) {
      if (!this.signal.aborted) app.notices.problem(error);
      return;
    }
    this.more.hidden = this.next === null;
    this.status.textContent = app.texts.count(this.next === null ? 'search.found' : 'search.found_more', this.found.length);
    put(this.results, this.table());
  }

  table() {
    const {app} = this;
    const {t, texts} = app;
    return table(t('search.results'), [
      {title: t('column.number_of_scan'), cell: (scan) => el('a', {href: `#/report/${scan.id}`}, nameNode(scan))},
      {title: t('column.lane'), cell: (scan) => outside(app.lanes.find((lane) => lane.name === scan.lane)?.title || scan.lane)},
      {title: t('column.received'), cell: (scan) => el('span', {class: 'nowrap', text: texts.moment(scan.received_at)})},
      {title: t('advice.title'), cell: (scan) => adviceTag(texts, scan.advice)},
      {title: t('column.best'), cell: (scan) => (scan.top ? `${findingWord(texts, scan.top.label)} ${texts.score(scan.top.score)}` : '–')},
      {title: t('column.state'), cell: (scan) => stateTag(texts, scan.state)},
      {title: t('column.decision'), cell: (scan) => (scan.decision ? [decisionWord(texts, scan.decision.decision), ' · ', outside(scan.decision.by)] : '–')},
      {title: t('report.look'), cell: (scan) => el('a', {class: 'button', data: {kind: 'small'}, href: `#/scan/${scan.id}`, aria: {label: t('report.look')}}, icon('eye'))},
    ], this.found, {empty: t('search.nothing')});
  }
}

const STATES = {
  undecided: 'state.undecided', to_confirm: 'state.to_confirm', cleared: 'state.cleared', referred: 'state.referred', closed: 'state.closed',
};
