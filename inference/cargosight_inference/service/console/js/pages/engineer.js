/** The engineer's page: which model inspects each lane, changing it, the models there are, the service's health. */

import {FormDialog, field, select} from '../dialogs.js';
import {el, outside, put} from '../dom.js';
import {icon} from '../icons.js';
import {tag} from '../scan_texts.js';
import {loadInto, table} from '../tables.js';

const AGAIN_MS = 10000;

/** Open the page. */
export function openEngineer(app, host, _parts, signal) {
  const page = new EngineerPage(app, host, signal);
  page.load();
  const timer = setInterval(() => {
    if (!document.hidden && !document.querySelector('dialog[open]')) page.refresh();
  }, AGAIN_MS);
  signal.addEventListener('abort', () => clearInterval(timer));
}

class EngineerPage {
  constructor(app, host, signal) {
    Object.assign(this, {app, signal, models: []});
    const {t} = app;
    this.health = el('div', {class: 'health', role: 'status'});
    this.lanes = el('ul', {class: 'engine-list'});
    this.catalog = el('div');
    this.outcome = el('div', {role: 'status', class: 'outcome'});
    host.className = 'page';
    host.append(el('h1', {text: t('page.engineer')}), el('h2', {text: t('health.title')}), this.health,
      el('h2', {text: t('engine.lanes')}), this.outcome, this.lanes, el('h2', {text: t('engine.models')}), this.catalog);
  }

  async load() {
    await loadInto(this.app, this.catalog, async () => {
      const found = await this.app.api.get('/models', {}, this.signal);
      this.models = found;
      return this.table();
    });
    await this.refresh();
  }

  async refresh() {
    await this.loadHealth();
    await loadInto(this.app, this.lanes, async () => {
      const lanes = await this.app.api.get('/lanes', {}, this.signal);
      const facts = JSON.stringify(lanes.map((lane) => [lane.model, lane.queue]));
      if (facts === this.facts) return [...this.lanes.children];
      this.facts = facts;
      return lanes.map((lane) => this.lane(lane));
    });
  }

  /** Ready or not, and why: an answer of 503 carries the problems. Warnings keep no lane from being served. */
  async loadHealth() {
    const {t, api} = this.app;
    let problems, warnings;
    try {
      ({problems, warnings} = await api.health(this.signal));
    } catch {
      if (this.signal.aborted) return;
      [problems, warnings] = [[t('notice.no_answer')], []];
    }
    const sentences = [...problems, ...warnings];
    put(this.health, problems.length === 0 ? tag(t('health.ready'), 'tick', 'clear') : tag(t('health.not_ready'), 'warning', 'refer'),
      sentences.length > 0 && el('ul', {class: 'reasons'}, sentences.map((sentence) => el('li', null, outside(sentence)))));
  }

  lane(lane) {
    const {t, texts} = this.app;
    const {model, queue} = lane;
    const thresholds = Object.entries(model.thresholds ?? {});
    return el('li', {class: 'card engine', data: {lane: lane.name}},
      el('div', {class: 'engine-head'}, el('h3', null, outside(lane.title || lane.name)),
        model.ready ? tag(t('engine.ready'), 'tick', 'clear') : tag(t('engine.not_ready'), 'warning', 'refer'),
        el('button', {class: 'button', type: 'button', on: {click: () => this.change(lane)}}, icon('chip'), t('engine.change'))),
      model.problem && el('p', {class: 'box', data: {tone: 'warn'}}, icon('warning'), el('span', null, outside(model.problem))),
      el('dl', {class: 'facts'}, [
        ['fact.model', model.model], ['fact.point', model.operating_point], ['fact.precision', model.precision],
        ['fact.fingerprint', model.fingerprint && el('code', {title: model.fingerprint, text: model.fingerprint.slice(0, 12)})],
        ['fact.queue', t('engine.queue', {waiting: queue.waiting, undecided: queue.undecided, confirm: queue.to_confirm})],
        ['fact.deadline', t('time.seconds', {seconds: lane.deadline_seconds})],
      ].map(([key, value]) => el('div', null, el('dt', {text: t(key)}), el('dd', null, value ?? '–')))),
      thresholds.length > 0 && el('details', null, el('summary', {text: t('engine.thresholds')}),
        el('ul', {class: 'thresholds'}, thresholds.map(([label, value]) => el('li', null, el('span', {text: texts.label(label)}), el('span', {text: value.toFixed(3)}))))));
  }

  /** Choose another model or operating point; the service loads and tests it first, and keeps the old one if it fails. */
  async change(lane) {
    const {t, texts, api} = this.app;
    const fitting = this.models.filter((model) => !model.problem);
    const model = select(fitting.map(({name}) => [name, name]), lane.model.model, {name: 'model'});
    const points = el('select', {name: 'operating_point'});
    const offer = () => {
      const of = fitting.find(({name}) => name === model.value);
      const names = (of?.points ?? []).map(({name}) => name);
      put(points, names.map((name) => el('option', {value: name, text: name})));
      points.value = names.includes(lane.model.operating_point) ? lane.model.operating_point : of?.default ?? names[0];
    };
    model.addEventListener('change', offer);
    offer();
    const dialog = new FormDialog(texts, {
      title: t('engine.change_title', {lane: lane.title || lane.name}), sendText: t('engine.change_send'),
      build: () => [el('p', {class: 'soft', text: t('engine.change_hint')}), field(t('fact.model'), model), field(t('fact.point'), points)],
      send: async (open) => {
        open.sendButton.textContent = t('engine.changing');
        try {
          return await api.putEngine(lane.name, {model: model.value, operating_point: points.value || null});
        } finally {
          open.sendButton.textContent = t('engine.change_send');
        }
      },
    });
    const changed = await dialog.open();
    if (!changed) return;
    put(this.outcome, el('p', {class: 'box', data: {tone: 'good'}}, icon('tick'), el('span', {
      text: t('engine.changed', {lane: lane.title || lane.name, model: changed.model, point: changed.operating_point ?? ''})})));
    this.refresh();
  }

  table() {
    const {t, texts} = this.app;
    return table(t('engine.models'), [
      {title: t('fact.model'), cell: (model) => outside(model.name)},
      {title: t('column.origin'), cell: (model) => texts.label(model.origin)},
      {title: t('column.points'), cell: (model) => model.points.map(({name}) => (name === model.default ? t('engine.default_point', {name}) : name)).join(', ') || '–'},
      {title: t('fact.fingerprint'), cell: (model) => el('code', {title: model.fingerprint, text: model.fingerprint.slice(0, 12)})},
      {title: t('column.problem'), cell: (model) => (model.problem ? outside(model.problem) : '–')},
    ], this.models, {empty: t('engine.no_models')});
  }
}
