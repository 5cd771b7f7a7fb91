/** Help: every key of the lane view and of the picture, and what the signs mean. */

import {el} from '../dom.js';
import {adviceTag, stateTag} from '../scan_texts.js';
import {table} from '../tables.js';
import {KEYMAP} from '../viewer/keymap.js';

const LANE_KEYS = [
  ['key.clear', 'help.clear'],
  ['key.refer', 'help.refer'],
  ['key.undo', 'help.undo'],
  ['key.agree', 'help.agree'],
  ['key.disagree', 'help.disagree'],
  ['key.confirm_finding', 'help.confirm_finding'],
  ['key.reject_finding', 'help.reject_finding'],
  ['key.next', 'help.next'],
  ['key.help', 'help.help'],
];

/** Open the page. */
export function openHelp(app, host) {
  const {t, texts} = app;
  const columns = [{title: t('column.key'), cell: ([key]) => el('kbd', {text: key})}, {title: t('column.effect'), cell: ([, effect]) => effect}];
  const viewerKeys = KEYMAP.map((binding) => [binding.keys, t(binding.text) + (binding.mode === 'hold' ? ` ${t('help.hold')}` : '')]);
  host.className = 'page help';
  host.append(
    el('h1', {text: t('page.help')}),
    el('div', {class: 'help-columns'},
      el('section', null, el('h2', {text: t('help.deciding')}), table(t('help.deciding'), columns, LANE_KEYS.map(([key, effect]) => [t(key), t(effect)])),
        el('h2', {text: t('help.rules')}), el('ul', {class: 'reasons'}, ['help.rule_moment', 'help.rule_saved', 'help.rule_late', 'help.rule_advice', 'help.rule_filters'].map((key) => el('li', {text: t(key)})))),
      el('section', null, el('h2', {text: t('help.picture')}), table(t('help.picture'), columns, viewerKeys)),
      el('section', null, el('h2', {text: t('help.signs')}),
        el('ul', {class: 'help-signs'}, ['undecided', 'to_confirm', 'cleared', 'referred', 'closed'].map((state) => el('li', null, stateTag(texts, state))),
          ['clear', 'refer', 'unreadable', null].map((advice) => el('li', null, el('span', {class: 'soft', text: t('advice.title')}), ' ', adviceTag(texts, advice)))))));
}
