/** What supervisors and engineers do with a scan apart from the lane: secondary inspection, override, inspecting again. */

import {FormDialog, field} from './dialogs.js';
import {el} from './dom.js';
import {icon} from './icons.js';
import {askReason} from './reason_dialog.js';
import {may} from './roles.js';
import {decisionWord, findingWord, nameOf} from './scan_texts.js';

const MOST_NOTE = 2000;

/** Ask what the secondary inspection truly found, and record it. @returns {Promise<boolean>} whether it was recorded. */
export async function recordSecondary(app, scan, classes) {
  const {t, texts} = app;
  const boxes = classes.map((name) => el('input', {type: 'checkbox', name: 'found', value: name}));
  const nothing = el('input', {type: 'checkbox', name: 'nothing'});
  const other = el('input', {type: 'text', name: 'other', maxlength: 60, autocomplete: 'off'});
  const note = el('textarea', {name: 'note', rows: 2, maxlength: MOST_NOTE});
  const found = () => [...boxes.filter((box) => box.checked).map((box) => box.value), ...other.value.split(',').map((word) => word.trim()).filter(Boolean)];
  const dialog = new FormDialog(texts, {
    title: t('secondary.title', {name: nameOf(scan)}), sendText: t('secondary.send'), size: 'wide',
    build: () => [
      el('label', {class: 'choice'}, nothing, el('strong', {text: t('secondary.nothing')})),
      el('fieldset', null, el('legend', {text: t('secondary.question')}),
        el('div', {class: 'choices', data: {columns: 'yes'}}, boxes.map((box) => el('label', {class: 'choice'}, box, el('span', {text: findingWord(texts, box.value)}))))),
      field(t('secondary.other'), other, t('secondary.other_hint')),
      field(t('reason.note'), note),
    ],
    send: async (open) => {
      if (nothing.checked === found().length > 0) {
        open.complain(t(nothing.checked ? 'secondary.both' : 'secondary.missing'), nothing);
        return null;
      }
      await app.outbox.submit(`/scans/${scan.id}/secondary`, {found: found(), note: note.value.trim()}, {scan: scan.id, kind: 'secondary'});
      return true;
    },
  });
  const recorded = (await dialog.open()) === true;
  if (recorded) app.notices.show(t('secondary.recorded', {name: nameOf(scan)}), {tone: 'good'});
  return recorded;
}

/** Put the supervisor's decision in the place of the one in force. @returns {Promise<boolean>} whether it was recorded. */
export async function override(app, scan, lane) {
  const {t, texts, outbox, notices} = app;
  const decision = scan.decision.decision === 'clear' ? 'refer' : 'clear';
  const answer = await askReason(texts, {
    title: t(decision === 'refer' ? 'override.to_refer' : 'override.to_clear', {name: nameOf(scan)}),
    question: t('override.question'),
    reasons: decision === 'refer' ? lane.refer_reasons : lane.clear_reasons,
    sendText: decisionWord(texts, decision),
    tone: decision,
    place: null,
  });
  if (!answer) return false;
  try {
    await outbox.submit(`/scans/${scan.id}/decisions/${scan.decision.id}/override`, {decision, ...answer}, {scan: scan.id, kind: 'override'});
    notices.show(t('override.done', {name: nameOf(scan), what: decisionWord(texts, decision)}), {tone: 'good'});
    return true;
  } catch (error) {
    notices.problem(error);
    return false;
  }
}

/** Let the lane's present engine inspect a scan again. */
async function inspectAgain(app, scan) {
  try {
    await app.api.post(`/scans/${scan.id}/inspect`);
    app.notices.show(app.t('again.asked', {name: nameOf(scan)}), {tone: 'good'});
  } catch (error) {
    app.notices.problem(error);
  }
}

/**
 * The lane of a scan. One that the service has in its settings no more is `removed`: its scans are looked at, and nothing
 * is done with them.
 */
export async function laneOf({api}, scan, signal) {
  try {
    return await api.get(`/lanes/${encodeURIComponent(scan.lane)}`, {}, signal);
  } catch (error) {
    if (error.status !== 404) throw error;
    return {name: scan.lane, title: '', classes: [], removed: true};
  }
}

/** What is told of a scan whose lane was removed; null of any other. */
export function removedBox({t}, lane) {
  return lane.removed ? el('p', {class: 'box', data: {tone: 'warn'}}, icon('warning'), el('span', {text: t('report.lane_removed', {lane: lane.name})})) : null;
}

/**
 * The buttons of what this person may do with a scan now.
 * @param {function} done called after something was recorded.
 */
export function scanActions(app, scan, lane, done) {
  if (lane.removed) return [];
  const {t, me} = app;
  const button = (sign, text, tone, run) => el('button', {class: 'button', type: 'button', data: tone ? {tone} : {}, on: {click: run}}, icon(sign), text);
  const after = (action) => async () => {
    if (await action()) done();
  };
  const supervises = may(me, 'supervise');
  return [
    supervises && scan.state === 'referred' && button('search', t('secondary.record'), 'accent', after(() => recordSecondary(app, scan, lane.classes))),
    supervises && scan.decision && scan.state !== 'closed'
      && button(scan.decision.decision === 'clear' ? 'flag' : 'tick', t(scan.decision.decision === 'clear' ? 'override.refer' : 'override.clear'), null, after(() => override(app, scan, lane))),
    may(me, 'engines') && button('chip', t('again.again'), null, () => inspectAgain(app, scan)),
  ].filter(Boolean);
}
