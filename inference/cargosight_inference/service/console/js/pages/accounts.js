/** Accounts of people. */

import {FormDialog, confirmed, field, select} from '../dialogs.js';
import {el, outside, put} from '../dom.js';
import {icon} from '../icons.js';
import {ROLE_TEXTS} from '../roles.js';
import {tag} from '../scan_texts.js';
import {showOnce} from '../secrets.js';
import {loadInto, table} from '../tables.js';

/** Show the part. */
export function openAccounts(app, host, signal) {
  const page = new Accounts(app, host, signal);
  page.refresh();
}

class Accounts {
  constructor(app, host, signal) {
    Object.assign(this, {app, signal, list: el('div')});
    const {t} = app;
    put(host, el('div', {class: 'part-head'}, el('h2', {text: t('account.title')}),
      el('button', {class: 'button', type: 'button', data: {tone: 'accent'}, on: {click: () => this.create()}}, icon('person'), t('account.create'))), this.list);
  }

  refresh() {
    const {t} = this.app;
    return loadInto(this.app, this.list, async () => {
      const found = await this.app.api.get('/accounts', {}, this.signal);
      return table(t('account.title'), [
        {title: t('column.name'), cell: (account) => outside(account.name)},
        {title: t('column.role'), cell: (account) => t(ROLE_TEXTS[account.role])},
        {title: t('column.lanes'), cell: (account) => (seesAll(account.role) ? t('account.every_lane') : account.lanes.join(', ') || '–')},
        {title: t('column.state'), cell: (account) => this.state(account)},
        {title: t('column.actions'), cell: (account) => this.actions(account)},
      ], found, {empty: t('account.none')});
    });
  }

  state(account) {
    const {t} = this.app;
    if (account.disabled) return tag(t('account.disabled'), 'cross', 'soft');
    if (account.must_change_password) return tag(t('account.one_time'), 'clock', 'unsure');
    return tag(t('account.active'), 'tick', 'clear');
  }

  actions(account) {
    const {t} = this.app;
    const button = (text, run) => el('button', {class: 'button', type: 'button', data: {kind: 'small'}, aria: {label: `${text}: ${account.name}`}, text, on: {click: run}});
    return el('span', {class: 'row-actions'}, button(t('account.change'), () => this.change(account)), button(t('account.reset'), () => this.reset(account)),
      button(t(account.disabled ? 'account.enable' : 'account.disable'), () => this.disable(account)));
  }

  /** Fields of role and lanes; `values()` gives what was chosen. */
  fields(account) {
    const {t, lanes} = this.app;
    const role = select(Object.entries(ROLE_TEXTS).map(([name, key]) => [name, t(key)]), account?.role ?? 'operator', {name: 'role'});
    const boxes = lanes.map((lane) => el('input', {type: 'checkbox', name: 'lane', value: lane.name, checked: account?.lanes.includes(lane.name) ?? lanes.length === 1}));
    const group = el('fieldset', null, el('legend', {text: t('column.lanes')}), boxes.map((box, place) => el('label', {class: 'choice'}, box, el('span', null, outside(lanes[place].title || lanes[place].name)))));
    const show = () => {
      group.hidden = seesAll(role.value);
    };
    role.addEventListener('change', show);
    show();
    return {nodes: [field(t('column.role'), role), group], values: () => ({role: role.value, lanes: boxes.filter((box) => box.checked).map((box) => box.value)})};
  }

  async create() {
    const {t, texts, api} = this.app;
    const name = el('input', {type: 'text', name: 'name', autocomplete: 'off', spellcheck: 'false', maxlength: 64});
    const {nodes, values} = this.fields(null);
    const made = await new FormDialog(texts, {
      title: t('account.create'), sendText: t('account.create_send'),
      build: () => [field(t('column.name'), name, t('account.name_hint')), nodes],
      send: (open) => {
        if (name.value.trim()) return api.post('/accounts', {name: name.value.trim(), ...values()});
        open.complain(t('account.name_missing'), name);
        return null;
      },
    }).open();
    if (!made) return;
    await this.refresh();
    await showOnce(this.app, t('secret.password_title', {name: name.value.trim()}), t('secret.password_text'), made.one_time_password);
  }

  async change(account) {
    const {t, texts, api} = this.app;
    const {nodes, values} = this.fields(account);
    const changed = await new FormDialog(texts, {
      title: t('account.change_title', {name: account.name}), sendText: t('form.save'),
      build: () => [el('p', {class: 'soft', text: t('account.change_hint')}), nodes],
      send: () => api.send('PATCH', `/accounts/${encodeURIComponent(account.name)}`, values()),
    }).open();
    if (changed) this.refresh();
  }

  async reset(account) {
    const {t, texts, api, notices} = this.app;
    if (!(await confirmed(texts, t('account.reset_title', {name: account.name}), t('account.reset_text'), t('account.reset')))) return;
    try {
      const made = await api.post(`/accounts/${encodeURIComponent(account.name)}/password`);
      await this.refresh();
      await showOnce(this.app, t('secret.password_title', {name: account.name}), t('secret.password_text'), made.one_time_password);
    } catch (error) {
      notices.problem(error);
    }
  }

  async disable(account) {
    const {t, texts, api, notices} = this.app;
    if (!account.disabled && !(await confirmed(texts, t('account.disable_title', {name: account.name}), t('account.disable_text'), t('account.disable')))) return;
    try {
      await api.send('PATCH', `/accounts/${encodeURIComponent(account.name)}`, {disabled: !account.disabled});
      await this.refresh();
    } catch (error) {
      notices.problem(error);
    }
  }
}

const seesAll = (role) => role === 'engineer' || role === 'administrator';
