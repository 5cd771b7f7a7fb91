/** Rates and decision times, by lane and by operator: counts beside every rate, since a rate of few says little. */

import {el, outside, put} from '../dom.js';
import {field, select} from '../dialogs.js';
import {drawing} from '../icons.js';
import {loadInto, table} from '../tables.js';

const DAY_MS = 86400000;
const LONGEST_BAR_S = 30;

/** Show the part. */
export function openRates(app, host, signal) {
  const {t} = app;
  const span = select([['today', t('rates.today')], ['1', t('rates.day')], ['7', t('rates.week')], ['30', t('rates.month')]], 'today');
  const lane = select([['', t('rates.all_lanes')], ...app.lanes.map((each) => [each.name, each.title || each.name])]);
  const body = el('div', {class: 'page-body'});
  const load = () => loadInto(app, body, async () => {
    const found = await app.api.get('/statistics', {lane: lane.value, ...period(span.value)}, signal);
    return [
      el('h2', {text: t('rates.lanes')}), table(t('rates.lanes'), [...named(app, 'column.lane', titleOf(app)), ...alarms(app), ...decided(app)], found.lanes, {empty: t('rates.none')}),
      el('h2', {text: t('rates.operators')}), table(t('rates.operators'), [...named(app, 'column.person', (name) => name), ...decided(app)], found.operators, {empty: t('rates.none')}),
      el('p', {class: 'soft small', text: t('rates.hint')}),
    ];
  });
  put(host, el('div', {class: 'fields-row', on: {change: load}}, field(t('rates.span'), span), field(t('column.lane'), lane)), body);
  load();
}

function period(span) {
  const now = new Date();
  const from = span === 'today' ? new Date(now.getFullYear(), now.getMonth(), now.getDate()) : new Date(now - Number(span) * DAY_MS);
  return {from: from.toISOString(), to: new Date(now.getTime() + DAY_MS).toISOString()};
}

const titleOf = (app) => (name) => app.lanes.find((lane) => lane.name === name)?.title || name;

function named(app, title, word) {
  return [{title: app.t(title), cell: (row) => outside(word(row.name))}];
}

function rate(app, part, whole) {
  return el('span', {class: 'rate'}, el('span', {text: app.texts.number(part ?? 0)}), ' ', el('span', {class: 'soft small', text: whole ? app.texts.percent(part / whole, 1) : '–'}));
}

function alarms(app) {
  const {t, texts} = app;
  return [
    {title: t('rates.scans'), number: true, cell: (row) => texts.number(row.scans)},
    {title: t('rates.alarms'), number: true, cell: (row) => rate(app, row.alarms, row.scans)},
  ];
}

function decided(app) {
  const {t, texts} = app;
  return [
    {title: t('rates.decided'), number: true, cell: (row) => texts.number(row.decided)},
    {title: t('rates.referred'), number: true, cell: (row) => rate(app, row.referred, row.decided)},
    {title: t('rates.agreed'), number: true, cell: (row) => rate(app, row.agreed_with_advice, row.advised)},
    {title: t('rates.overridden'), number: true, cell: (row) => texts.number(row.overridden)},
    {title: t('rates.undone'), number: true, cell: (row) => texts.number(row.undone)},
    {title: t('rates.found'), number: true, cell: (row) => rate(app, row.found_at_secondary, row.inspected_by_hand)},
    {title: t('rates.seconds'), cell: (row) => times(app, row)},
  ];
}

/** Median and ninth decile of the decision times, as figures and as a bar. */
function times(app, {seconds_median: median, seconds_p90: ninth}) {
  const {t, texts} = app;
  if (median === null || median === undefined) return '–';
  const x = (seconds) => Math.min(100, (seconds / LONGEST_BAR_S) * 100);
  const bar = drawing(100, 10, [
    ['rect', {class: 'bar-ground', x: 0, y: 4, width: 100, height: 2}],
    ['rect', {class: 'bar-range', x: x(median), y: 3, width: Math.max(0, x(ninth ?? median) - x(median)), height: 4}],
    ['circle', {class: 'bar-median', cx: x(median), cy: 5, r: 3}],
  ]);
  bar.setAttribute('class', 'time-bar');
  const figures = ninth === null || ninth === undefined ? t('rates.median', {median: texts.number(median, 1)}) : t('rates.times', {median: texts.number(median, 1), ninth: texts.number(ninth, 1)});
  return el('span', {class: 'times'}, bar, el('span', {class: 'nowrap', text: figures}));
}
