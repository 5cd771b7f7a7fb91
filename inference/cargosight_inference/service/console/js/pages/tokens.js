/** Tokens of machines: scanners that send to their lane, servers that read the metrics. */

import {FormDialog, confirmed, field, select} from '../dialogs.js';
import {el, outside, put} from '../dom.js';
import {icon} from '../icons.js';
import {tag} from '../scan_texts.js';
import {showOnce} from '../secrets.js';
import {loadInto, table} from '../tables.js';

const SCOPES = {scanner: 'token.scanner', metrics: 'token.metrics'};
const DAYS = 365;

/** Show the part. */
export function openTokens(app, host, signal) {
  const page = new Tokens(app, host, signal);
  page.refresh();
}

class Tokens {
  constructor(app, host, signal) {
    Object.assign(this, {app, signal, list: el('div')});
    const {t} = app;
    put(host, el('div', {class: 'part-head'}, el('h2', {text: t('token.title')}),
      el('button', {class: 'button', type: 'button', data: {tone: 'accent'}, on: {click: () => this.create()}}, icon('chip'), t('token.create'))), this.list);
  }

  refresh() {
    const {t, texts} = this.app;
    return loadInto(this.app, this.list, async () => {
      const found = await this.app.api.get('/tokens', {}, this.signal);
      return table(t('token.title'), [
        {title: t('column.name'), cell: (token) => outside(token.name)},
        {title: t('column.scope'), cell: (token) => t(SCOPES[token.scope])},
        {title: t('column.lane'), cell: (token) => (token.lane ? outside(token.lane) : '–')},
        {title: t('column.created'), cell: (token) => texts.moment(token.created_at)},
        {title: t('column.expires'), cell: (token) => texts.moment(token.expires_at)},
        {title: t('column.state'), cell: (token) => this.state(token)},
        {title: t('column.actions'), cell: (token) => !token.revoked_at && el('button', {
          class: 'button', type: 'button', data: {kind: 'small'}, aria: {label: `${t('token.revoke')}: ${token.name}`}, text: t('token.revoke'), on: {click: () => this.revoke(token)}})},
      ], found, {empty: t('token.none')});
    });
  }

  state(token) {
    const {t} = this.app;
    if (token.revoked_at) return tag(t('token.revoked'), 'cross', 'soft');
    if (Date.parse(token.expires_at) <= Date.now()) return tag(t('token.expired'), 'clock', 'soft');
    return tag(t('token.in_force'), 'tick', 'clear');
  }

  async create() {
    const {t, texts, api, lanes} = this.app;
    const name = el('input', {type: 'text', name: 'name', autocomplete: 'off', maxlength: 64});
    const scope = select(Object.entries(SCOPES).map(([value, key]) => [value, t(key)]), 'scanner', {name: 'scope'});
    const lane = select(lanes.map((each) => [each.name, each.title || each.name]), lanes[0]?.name, {name: 'lane'});
    const days = el('input', {type: 'number', name: 'days', min: 1, max: 3650, value: DAYS});
    const laneField = field(t('column.lane'), lane);
    scope.addEventListener('change', () => {
      laneField.hidden = scope.value !== 'scanner';
    });
    const made = await new FormDialog(texts, {
      title: t('token.create'), sendText: t('token.create_send'),
      build: () => [field(t('column.name'), name, t('token.name_hint')), field(t('column.scope'), scope), laneField, field(t('token.days'), days)],
      send: (open) => {
        if (!name.value.trim() || !(Number(days.value) > 0)) {
          open.complain(t('token.missing'), name.value.trim() ? days : name);
          return null;
        }
        return api.post('/tokens', {name: name.value.trim(), scope: scope.value, lane: scope.value === 'scanner' ? lane.value : null, days: Number(days.value)});
      },
    }).open();
    if (!made) return;
    await this.refresh();
    await showOnce(this.app, t('secret.token_title', {name: name.value.trim()}), t('secret.token_text'), made.token);
  }

  async revoke(token) {
    const {t, texts, api, notices} = this.app;
    if (!(await confirmed(texts, t('token.revoke_title', {name: token.name}), t('token.revoke_text'), t('token.revoke')))) return;
    try {
      await api.send('DELETE', `/tokens/${token.id}`);
      await this.refresh();
    } catch (error) {
      notices.problem(error);
    }
  }
}
