/** The report of one scan: picture with overlays, findings, decisions, and its whole story; made to be printed. */

import {Api} from '../api.js';
import {el, outside, put} from '../dom.js';
import {icon} from '../icons.js';
import {auditTable, decisionTable, findingTable} from '../records.js';
import {may} from '../roles.js';
import {laneOf, removedBox, scanActions} from '../scan_actions.js';
import {adviceTag, findingWord, nameNode, stateTag, tag} from '../scan_texts.js';
import {loadInto} from '../tables.js';
import {secondaryWords} from './scan.js';

/** Open the page. */
export function openReport(app, host, [id], signal) {
  host.className = 'report';
  app.journal.viewed(Number(id));
  const refresh = () => loadInto(app, host, async () => {
    const scan = await app.api.get(`/scans/${id}`, {}, signal);
    const [lane, story] = await Promise.all([laneOf(app, scan, signal), storyOf(app, id, signal)]);
    return [top(app, scan, lane, refresh), removedBox(app, lane), picture(app, scan), facts(app, scan, lane), findings(app, scan), decisions(app, scan), storyPart(app, scan, story)];
  });
  refresh().then(() => app.shell.focus());
}

/** The scan's audit records, null where this person may not see them. */
async function storyOf(app, id, signal) {
  if (!may(app.me, 'story')) return null;
  return (await app.api.get(`/scans/${id}/story`, {}, signal)).records;
}

function top(app, scan, lane, refresh) {
  const {t, texts} = app;
  return el('header', {class: 'report-head'},
    el('div', null, el('p', {class: 'soft', text: t('report.title')}), el('h1', null, nameNode(scan))),
    el('div', {class: 'report-tags'}, stateTag(texts, scan.state), scan.inspection?.late && tag(t('flag.late'), 'clock', 'unsure')),
    el('div', {class: 'report-actions no-print'},
      el('button', {class: 'button', type: 'button', on: {click: () => window.print()}}, icon('print'), t('report.print')),
      el('a', {class: 'button', href: `#/scan/${scan.id}`}, icon('eye'), t('report.look')),
      scanActions(app, scan, lane, refresh)));
}

function picture(app, scan) {
  const {t} = app;
  const figure = el('figure', {class: 'report-picture'});
  const image = el('img', {
    src: Api.address(`/scans/${scan.id}/overlay.png`), alt: t('report.picture_alt', {count: scan.inspection?.findings.length ?? 0}),
    on: {error: () => put(figure, el('p', {class: 'box', data: {tone: 'warn'}}, icon('warning'), el('span', {text: scan.picture_problem || t('report.no_picture')})))},
  });
  return put(figure, image, el('figcaption', {class: 'soft small', text: t('report.picture_caption')}));
}

function facts(app, scan, lane) {
  const {t, texts} = app;
  const {inspection} = scan;
  const pairs = [
    ['fact.lane', outside(lane.title || lane.name)],
    ['fact.number', scan.number ? outside(scan.number) : '–'],
    ['fact.file', outside(scan.name)],
    ['fact.heading', scan.heading ? outside(scan.heading) : '–'],
    ['fact.received', texts.moment(scan.received_at)],
    ['fact.size', scan.width ? `${scan.width} × ${scan.height}` : '–'],
    ['fact.advice', adviceTag(texts, inspection?.decision ?? scan.advice)],
    ['fact.reasons', inspection?.reasons.length ? el('ul', null, inspection.reasons.map((reason) => el('li', null, outside(findingWord(texts, reason))))) : '–'],
  ];
  if (inspection) {
    pairs.push(
      ['fact.model', `${inspection.model} · ${inspection.operating_point} · ${inspection.precision}`],
      ['fact.fingerprint', el('code', {text: inspection.fingerprint})],
      ['fact.sha256', el('code', {text: inspection.sha256 ?? '–'})],
      ['fact.after', t('fact.after_value', {seconds: texts.number(inspection.seconds_from_arrival, 2)})],
      ['fact.assumptions', inspection.assumptions.length ? el('ul', null, inspection.assumptions.map((line) => el('li', null, outside(line)))) : '–'],
    );
  }
  if (scan.secondary) {
    pairs.push(['fact.secondary', [secondaryWords(app, scan.secondary), ` (${texts.moment(scan.secondary.at)})`, scan.secondary.note && el('p', null, outside(scan.secondary.note))]]);
  }
  return part(t('report.facts'), el('dl', {class: 'facts'}, pairs.map(([key, value]) => el('div', null, el('dt', {text: t(key)}), el('dd', null, value)))));
}

function findings(app, scan) {
  const {t} = app;
  const others = scan.inspections.filter(({id}) => id !== scan.inspection?.id);
  return part(t('finding.title'), findingTable(app, scan.inspection, scan.marks),
    others.length > 0 && el('p', {class: 'soft small', text: t('report.others', {models: others.map((each) => `${each.model} ${each.operating_point} (${app.texts.moment(each.created_at)})`).join('; ')})}));
}

function decisions(app, scan) {
  return part(app.t('report.decisions'), decisionTable(app, scan.decisions));
}

function storyPart(app, scan, story) {
  if (story === null) return null;
  const {t, texts} = app;
  const link = (format, text) => el('a', {class: 'button', data: {kind: 'small'}, href: Api.address('/audit/export', {format, scan: scan.id}), download: `scan-${scan.id}.${format}`, text});
  return part(t('report.story'), auditTable(app, story),
    may(app.me, 'administer') && el('p', {class: 'report-actions no-print'}, link('jsonl', t('audit.jsonl')), link('csv', t('audit.csv'))),
    el('p', {class: 'soft small', text: t('report.printed', {time: texts.moment(new Date().toISOString()), name: app.me.name})}));
}

function part(title, ...children) {
  return el('section', {class: 'report-part', aria: {label: title}}, el('h2', {text: title}), children);
}
