/** The story of a scan in words: decisions, and the audit records. */

import {el, outside} from './dom.js';
import {decisionWord, findingWord, recordWord, verdictTag} from './scan_texts.js';
import {table} from './tables.js';

/** A table of every decision record of a scan. */
export function decisionTable(app, decisions) {
  const {t, texts} = app;
  return table(t('report.decisions'), [
    {title: t('column.time'), cell: (row) => texts.moment(row.at)},
    {title: t('column.person'), cell: (row) => outside(row.by)},
    {title: t('column.record'), cell: (row) => recordWord(texts, row.kind)},
    {title: t('column.decision'), cell: (row) => decisionWord(texts, row.decision) || '–'},
    {title: t('column.reason'), cell: (row) => [row.reason && outside(row.reason), row.reason && row.note && ' – ', row.note && outside(row.note)]},
    {title: t('column.seconds'), number: true, cell: (row) => (row.seconds === null ? '–' : texts.number(row.seconds, 1))},
  ], decisions, {empty: t('report.no_decisions')});
}

/** A table of the findings of an inspection, with what people said of them. */
export function findingTable(app, inspection, marks) {
  const {t, texts} = app;
  const rows = (inspection?.findings ?? []).map((finding, index) => ({
    ...finding, index, mark: marks.filter((mark) => mark.finding === index && mark.inspection === inspection.id && mark.verdict !== 'drawn').at(-1),
  }));
  const drawn = marks.filter((mark) => mark.verdict === 'drawn').map((mark) => ({...mark, score: null, index: null, mark}));
  return table(t('finding.title'), [
    {title: t('column.number'), cell: (row) => (row.index === null ? '–' : String(row.index + 1))},
    {title: t('column.class'), cell: (row) => findingWord(texts, row.label)},
    {title: t('column.score'), number: true, cell: (row) => (row.score === null ? '–' : texts.score(row.score))},
    {title: t('column.place'), cell: (row) => row.box.map((edge) => Math.round(edge)).join(', ')},
    {title: t('column.verdict'), cell: (row) => (row.mark ? [verdictTag(texts, row.mark.verdict), ' ', outside(row.mark.by)] : '–')},
  ], [...rows, ...drawn], {empty: t(inspection ? 'finding.none' : 'finding.not_yet')});
}

/** A table of audit records. @param {boolean} scans whether to show which scan each is about. */
export function auditTable(app, records, {scans = false} = {}) {
  const {t, texts} = app;
  const columns = [
    {title: t('column.number'), number: true, cell: (row) => String(row.seq)},
    {title: t('column.time'), cell: (row) => el('span', {class: 'nowrap', text: texts.moment(row.at)})},
    {title: t('column.person'), cell: (row) => outside(row.actor)},
    {title: t('column.action'), cell: (row) => el('span', {class: 'mono', text: row.action})},
    {title: t('column.details'), cell: (row) => details(row.detail)},
    {title: t('column.hash'), cell: (row) => el('code', {title: row.hash, text: (row.hash ?? '').slice(0, 12)})},
  ];
  if (scans) columns.splice(4, 0, {title: t('column.picture'), cell: (row) => (row.scan ? el('a', {href: `#/report/${row.scan}`, text: String(row.scan)}) : '–')});
  return table(t('report.story'), columns, records, {empty: t('report.no_story')});
}

/** What a record tells, as `name: value`. */
function details(detail) {
  const pairs = Object.entries(detail ?? {}).filter(([, value]) => value !== null && value !== '');
  return el('span', {class: 'details small'}, pairs.map(([name, value]) => el('span', {class: 'detail'},
    el('span', {class: 'soft', text: `${name} `}), outside(typeof value === 'object' ? JSON.stringify(value) : String(value)))));
}
