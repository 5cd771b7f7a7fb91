/** Making decisions on the open scan: reasons, sending, conflicts, undoing, confirming, marks. */

import {ApiError} from './api.js';
import {FormDialog, field, select} from './dialogs.js';
import {askReason} from './reason_dialog.js';
import {decisionWord, findingWord, lastDecision, nameOf} from './scan_texts.js';

const STATE_OF = {clear: 'cleared', refer: 'referred'};
const MOST_CLASSES = 12;
const AGAINST = new Set(['refer', 'unreadable']);

export class Deciding {
  /**
   * @param {object} app
   * @param {object} desk the lane view: `lane`, `state`, `view`, `guard`, `mode`, `current`, `undoBar`, `open(id)`, `goOn()`,
   *     `update()`.
   */
  constructor(app, desk) {
    this.app = app;
    this.desk = desk;
    this.asking = false;
  }

  /** Clear the open scan; against the advice only with a reason. */
  clear() {
    if (!this.ready('decide')) return;
    if (!this.desk.guard.open) {
      if (!this.desk.pictureSeen) this.app.notices.announce(this.app.t('decide.no_picture_yet'));
      return;
    }
    const {t} = this.app;
    const scan = this.desk.current;
    const advice = this.advice();
    if (!AGAINST.has(advice) && !scan.picture_problem) {
      this.send('clear', {reason: '', note: ''});
      return;
    }
    this.ask('clear', {
      title: t('reason.clear_title', {name: nameOf(scan)}),
      question: t('reason.clear_question'),
      advice: t(advice === 'refer' ? 'reason.against_refer' : 'reason.against_unreadable'),
      reasons: this.desk.lane.clear_reasons,
      sendText: t('decide.clear'),
      tone: 'clear',
    });
  }

  /** Refer the open scan, with a reason. */
  refer() {
    if (!this.ready('decide')) return;
    const {t} = this.app;
    this.ask('refer', {
      title: t('reason.refer_title', {name: nameOf(this.desk.current)}),
      question: t('reason.refer_question'),
      reasons: this.desk.lane.refer_reasons,
      sendText: t('decide.refer'),
      tone: 'refer',
    });
  }

  /** Agree with another person's decision. */
  agree() {
    if (this.ready('confirm') && this.desk.guard.open) this.confirmation(true, '');
  }

  /** Disagree, with a note that says why. */
  async disagree() {
    if (!this.ready('confirm')) return;
    const {t} = this.app;
    const answer = await this.dialog(() => askReason(this.app.texts, {
      title: t('reason.disagree_title', {name: nameOf(this.desk.current)}), sendText: t('decide.disagree'), tone: 'refer', noteNeeded: true,
    }));
    if (answer) this.confirmation(false, answer.note);
  }

  /** Take back this person's last decision. */
  async undo() {
    const last = this.desk.undoBar.open;
    if (!last || this.asking || this.app.outbox.decisionOf(last.scan.id)) return;
    const {t, outbox, notices} = this.app;
    this.desk.undoBar.close();
    const close = notices.show(t('undo.undoing', {name: nameOf(last.scan)}), {stays: true});
    try {
      await outbox.submit(`/scans/${last.scan.id}/decisions/${last.decision.id}/undo`, {}, {scan: last.scan.id, kind: 'undo'});
      this.desk.state.update(last.scan.id, {state: 'undecided', decision: null});
      notices.announce(t('undo.done', {name: nameOf(last.scan)}));
      this.desk.open(last.scan.id);
    } catch (error) {
      notices.problem(error);
    } finally {
      close();
    }
  }

  /** Say of a finding that it is there, or that it is not. */
  mark(index, verdict) {
    const {view, mode} = this.desk;
    const finding = view.detail?.inspection?.findings[index];
    if (!finding || mode === 'idle') return;
    this.sendMark({inspection: view.detail.inspection.id, finding: index, verdict, label: finding.label, box: null, note: ''});
  }

  /** Draw what was missed: first where it is. Asked for once more, the tool is put away. */
  draw() {
    const {view} = this.desk;
    const {notices, t} = this.app;
    if (this.asking) return;
    if (!view.drawable) {
      view.calm(t('finding.no_picture'));
      return;
    }
    view.viewer.focus();
    const drawing = view.viewer.tool === 'draw';
    if (drawing) view.viewer.cancelTool();
    else view.viewer.startDrawing();
    notices.announce(t(drawing ? 'finding.draw_left' : 'finding.draw_now'));
  }

  /** A box was drawn in the picture: ask what it is. */
  async drawn(box) {
    const {view, lane} = this.desk;
    const scan = view.summary?.id;
    if (!scan || this.asking || !this.desk.decides) return;
    const {t, texts} = this.app;
    const size = Math.min(lane.classes.length, MOST_CLASSES);
    const classes = select(lane.classes.map((name) => [name, findingWord(texts, name)]), lane.classes[0], {name: 'class', size, autofocus: true});
    const dialog = new FormDialog(texts, {
      title: t('finding.draw_title'), place: 'beside', sendText: t('finding.draw_send'),
      build: () => field(t('finding.class'), classes), send: () => classes.value,
    });
    classes.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.repeat) dialog.form.requestSubmit();
    });
    const chosen = await this.dialog(() => dialog.open());
    if (chosen && view.summary?.id === scan) {
      this.sendMark({inspection: view.detail?.inspection?.id ?? null, finding: null, verdict: 'drawn', label: chosen, box, note: ''});
    }
    this.desk.goOn();
  }

  async sendMark(body) {
    const scan = this.desk.view.summary.id;
    try {
      await this.app.outbox.submit(`/scans/${scan}/marks`, body, {scan, kind: 'mark'});
      if (this.desk.view.summary?.id === scan) await this.desk.view.refresh();
    } catch (error) {
      this.app.notices.problem(error);
    }
  }

  /** What the person was advised: what stands on the screen. */
  advice() {
    return this.desk.view.detail?.inspection?.decision ?? this.desk.current.advice;
  }

  /** Whether a key or a press may act now: what only sends a scan on may do so without its picture. */
  ready(mode) {
    const {desk} = this;
    return desk.mode === mode && desk.guard.openToRefer && !this.asking && !this.app.outbox.decisionOf(desk.current.id);
  }

  /** Keep the scan while a dialog is open. */
  async dialog(open) {
    this.asking = true;
    try {
      return await open();
    } finally {
      this.asking = false;
    }
  }

  async ask(decision, parts) {
    const {id} = this.desk.current;
    const answer = await this.dialog(() => askReason(this.app.texts, parts));
    if (answer && this.desk.current?.id === id && this.desk.mode === 'decide') this.send(decision, answer);
    else this.desk.goOn();
  }

  async send(decision, {reason, note}) {
    const {desk} = this;
    const scan = desk.current;
    const body = {
      decision, reason, note,
      seconds: Math.round((desk.guard.seconds ?? 0) * 1000) / 1000,
      inspection: desk.view.detail?.inspection?.id ?? null,
      after: lastDecision(desk.view.detail),
    };
    const record = await this.deliver(scan, `/scans/${scan.id}/decisions`, body, 'decision');
    if (!record) return;
    this.settled(scan, {state: STATE_OF[decision], decision: record});
    const seconds = desk.lane.undo_seconds;
    if (seconds > 0) desk.undoBar.offer({scan, decision: record, until: record.sentAt + seconds * 1000});
    this.app.notices.announce(this.app.t('decide.saved', {name: nameOf(scan), what: decisionWord(this.app.texts, decision)}));
    desk.goOn(scan.id);
  }

  async confirmation(agree, note) {
    const {desk} = this;
    const scan = desk.current;
    const {decision} = scan;
    const record = await this.deliver(scan, `/scans/${scan.id}/decisions/${decision.id}/confirmation`, {agree, note}, 'confirmation');
    if (!record) return;
    this.settled(scan, agree ? {state: STATE_OF[decision.decision]} : {state: 'undecided', decision: null});
    const {t} = this.app;
    this.app.notices.announce(t(agree ? 'decide.agreed' : 'decide.disagreed', {name: nameOf(scan), by: decision.by}));
    if (agree) desk.goOn(scan.id);
    else desk.view.refresh();
  }

  /** Send until the service has answered. @returns {Promise<object|null>} its record, null where it refused. */
  async deliver(scan, path, body, kind) {
    const {desk} = this;
    desk.state.hold(scan.id, true);
    let record = null;
    try {
      record = await this.app.outbox.submit(path, body, {scan: scan.id, kind});
    } catch (error) {
      await this.refused(scan, error);
    }
    desk.state.hold(scan.id, false);
    if (record === null) desk.goOn();
    return record;
  }

  /** Take up the record before its event comes; an event that was faster knows more. */
  settled(scan, values) {
    const known = this.desk.state.get(scan.id);
    if (known?.state === scan.state) this.desk.state.update(scan.id, values);
  }

  /** The service did not take it: tell why, and go on where another person was faster. */
  async refused(scan, error) {
    const {notices, api, t, texts} = this.app;
    let detail = null;
    try {
      detail = await api.get(`/scans/${scan.id}`);
    } catch {
      // Without it the service's own sentence has to do.
    }
    if (detail) this.desk.state.apply('scan.decided', detail);
    const last = detail?.decisions.at(-1);
    if (error instanceof ApiError && error.code === 'decided_meanwhile' && last) {
      const what = detail.decision ? decisionWord(texts, detail.decision.decision) : t('state.undecided');
      notices.show(t('decide.meanwhile', {name: nameOf(scan), by: last.by, what, time: texts.clock(last.at)}), {tone: 'warn'});
    } else notices.problem(error);
    if (detail && this.desk.current?.id === scan.id) this.desk.view.refresh();
  }
}
