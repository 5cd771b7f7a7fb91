/** The administrator's page: accounts, machine tokens, audit. */

import {el} from '../dom.js';
import {parts} from '../tables.js';
import {openAccounts} from './accounts.js';
import {openAudit} from './audit.js';
import {openTokens} from './tokens.js';

const PARTS = {accounts: openAccounts, tokens: openTokens, audit: openAudit};

/** Open the page, at one of its parts. */
export function openAdministrator(app, host, [wanted], signal) {
  const {t} = app;
  const here = wanted || 'accounts';
  const body = el('div', {class: 'page-body'});
  host.className = 'page';
  host.append(el('h1', {text: t('page.administrator')}), parts(app, t('administrator.parts'), [
    ['administrator/accounts', t('account.title')], ['administrator/tokens', t('token.title')], ['administrator/audit', t('audit.title')],
  ], `administrator/${here}`), body);
  PARTS[here](app, body, signal);
}
