/** The supervisor's page: open referrals, rates, search. */

import {el, outside, put} from '../dom.js';
import {icon} from '../icons.js';
import {may} from '../roles.js';
import {scanActions} from '../scan_actions.js';
import {adviceTag, decidedWord, findingWord, nameNode} from '../scan_texts.js';
import {loadInto, parts} from '../tables.js';
import {Thumbnails} from '../thumbnails.js';
import {openRates} from './rates.js';
import {openSearch} from './search.js';

const AGAIN_MS = 8000;

/** Open the page, at one of its parts. */
export function openSupervisor(app, host, [wanted], signal) {
  const {t} = app;
  const supervises = may(app.me, 'supervise');
  const links = [['supervisor/rates', t('supervisor.rates')]];
  if (supervises) {
    links.unshift(['supervisor/referrals', t('supervisor.referrals')]);
    links.push(['supervisor/search', t('supervisor.search')]);
  }
  const here = supervises ? wanted || 'referrals' : 'rates';
  const body = el('div', {class: 'page-body'});
  host.className = 'page';
  host.append(el('h1', {text: t('page.supervisor')}), parts(app, t('supervisor.parts'), links, `supervisor/${here}`), body);
  if (here === 'rates') openRates(app, body, signal);
  else if (here === 'search') openSearch(app, body, signal);
  else openReferrals(app, body, signal);
}

/** Scans that were referred and whose secondary inspection is not recorded yet, the longest waiting first. */
function openReferrals(app, host, signal) {
  const {t} = app;
  const thumbnails = new Thumbnails(app.pictures);
  const list = el('ul', {class: 'referrals'});
  const title = el('h2', {text: t('supervisor.referrals')});
  put(host, title, list);
  const lanes = new Map();
  let shown = '';
  const refresh = () => loadInto(app, list, async () => {
    const {scans} = await app.api.get('/referrals', {}, signal);
    for (const {lane} of scans) if (!lanes.has(lane)) lanes.set(lane, await app.api.get(`/lanes/${lane}`, {}, signal));
    const waiting = [...scans].sort((one, other) => one.id - other.id);
    title.textContent = app.texts.count('supervisor.open_referrals', waiting.length);
    const facts = JSON.stringify(waiting);
    if (facts === shown) return [...list.children];
    shown = facts;
    if (waiting.length === 0) return el('li', {class: 'soft nothing', text: t('supervisor.no_referrals')});
    return waiting.map((scan) => referral(app, thumbnails, scan, lanes.get(scan.lane), refresh));
  });
  refresh();
  const timer = setInterval(() => {
    if (!document.hidden && !document.querySelector('dialog[open]') && !list.contains(document.activeElement)) refresh();
  }, AGAIN_MS);
  signal.addEventListener('abort', () => clearInterval(timer));
}

function referral(app, thumbnails, scan, lane, refresh) {
  const {t, texts} = app;
  const {decision} = scan;
  return el('li', {class: 'card referral', data: {scan: scan.id}},
    el('a', {class: 'referral-picture', href: `#/scan/${scan.id}`, aria: {label: t('report.look')}}, thumbnails.of(scan.id)),
    el('div', {class: 'referral-words'},
      el('h3', null, el('a', {href: `#/scan/${scan.id}`}, nameNode(scan))),
      el('p', {class: 'soft small', text: [lane.title || lane.name, texts.moment(scan.received_at)].join(' · ')}),
      decision && el('p', null, t('decide.by', {what: decidedWord(texts, decision.decision), name: decision.by, time: texts.clock(decision.at)})),
      decision?.reason && el('p', null, el('strong', null, outside(decision.reason)), decision.note && [' – ', outside(decision.note)])),
    el('div', {class: 'referral-facts'}, el('span', {class: 'soft small', text: t('advice.title')}), adviceTag(texts, scan.advice),
      scan.top && el('span', {class: 'small', text: `${findingWord(texts, scan.top.label)} ${texts.score(scan.top.score)}`})),
    el('div', {class: 'referral-actions'}, scanActions(app, scan, lane, refresh),
      el('a', {class: 'button', href: `#/report/${scan.id}`}, icon('print'), t('report.open'))));
}
