/** One scan with its viewer, for those who look again: findings, decisions, and what can still be done. */

import {Deciding} from '../deciding.js';
import {el, outside, put} from '../dom.js';
import {FindingsPanel} from '../findings_panel.js';
import {icon} from '../icons.js';
import {may} from '../roles.js';
import {laneOf, removedBox, scanActions} from '../scan_actions.js';
import {ScanHead} from '../scan_head.js';
import {decisionWord, findingWord, recordWord, stateTag} from '../scan_texts.js';
import {ScanView} from '../scan_view.js';

/** Open the page. @returns {function} closes it. */
export function openScan(app, host, [id], signal) {
  const page = new ScanPage(app, host, Number(id));
  const {deciding, findings} = page;
  const verdict = (word) => () => {
    if (page.decides && findings.selected !== null) deciding.mark(findings.selected, word);
  };
  const draw = () => {
    if (page.decides) deciding.draw();
  };
  if (may(app.me, 'decide')) app.keys.bind({k: verdict('confirmed'), n: verdict('rejected'), b: draw}, signal);
  page.start(signal);
  return () => page.stop();
}

class ScanPage {
  constructor(app, host, id) {
    Object.assign(this, {app, id, lane: null, mode: 'review'});
    const says = may(app.me, 'decide');
    const {t} = app;
    this.deciding = new Deciding(app, this);
    this.view = new ScanView(app, {
      onDetail: (detail) => this.show(detail),
      onSelected: (index) => this.findings.select(index),
      onBelow: (below) => this.findings?.showBelow(below),
      onDrawn: (box) => this.deciding.drawn(box),
      onTool: (name) => this.findings.drawing(name === 'draw'),
      onPicture: (there) => this.findings.offerDrawing(there),
    });
    this.head = new ScanHead(app);
    this.findings = new FindingsPanel(app, {
      onSelect: (index) => this.view.viewer.overlay.select(index),
      onVerdict: says ? (index, word) => this.deciding.mark(index, word) : null,
      onDraw: says ? () => this.deciding.draw() : null,
    });
    this.story = el('section', {class: 'scan-story', aria: {label: t('report.decisions')}});
    this.actions = el('div', {class: 'scan-actions'});
    host.className = 'lane scan-page';
    host.append(el('h1', {class: 'hidden-text', text: t('page.picture')}), this.view.element,
      el('aside', {class: 'side', aria: {label: t('lane.side')}}, this.head.element, this.findings.element, this.view.overlayPanel.element, this.story, this.actions));
  }

  /** Whether this person may say something of the findings now. */
  get decides() {
    return may(this.app.me, 'decide') && this.lane !== null && !this.lane.removed;
  }

  async start(signal) {
    try {
      const scan = await this.app.api.get(`/scans/${this.id}`, {}, signal);
      this.lane = await laneOf(this.app, scan, signal);
      if (this.lane.removed) this.findings.onlyShow();
      if (!signal.aborted) this.view.open(scan);
    } catch (error) {
      if (!signal.aborted) this.view.close(el('p', {class: 'stage-title', text: error.message || this.app.t('notice.no_answer')}));
    }
  }

  stop() {
    this.view.destroy();
    this.app.journal.flush();
  }

  /** The lane view's word for going on; here one stays. */
  goOn() {}

  show(detail) {
    const {t, texts} = this.app;
    this.head.show(detail, detail);
    this.findings.show(detail.inspection, detail.marks);
    put(this.story, removedBox(this.app, this.lane), el('div', {class: 'advice-line'}, stateTag(texts, detail.state)),
      el('ol', {class: 'story-list'}, detail.decisions.map((record) => el('li', null,
        el('span', {class: 'soft small', text: texts.moment(record.at)}), ' ',
        el('span', null, [recordWord(texts, record.kind), decisionWord(texts, record.decision)].filter(Boolean).join(': ')), ' · ', outside(record.by),
        (record.reason || record.note) && el('p', {class: 'small'}, outside([record.reason, record.note].filter(Boolean).join(' – ')))))),
      detail.secondary && el('p', {class: 'box', data: {tone: 'good'}}, icon('search'), el('span', null, secondaryWords(this.app, detail.secondary))));
    put(this.actions, scanActions(this.app, detail, this.lane, () => this.view.refresh()),
      el('a', {class: 'button', href: `#/report/${detail.id}`}, icon('print'), t('report.open')));
  }
}

/** What the secondary inspection found, in words. */
export function secondaryWords(app, secondary) {
  const {t, texts} = app;
  if (secondary.found.length === 0) return t('secondary.found_nothing', {name: secondary.by});
  return t('secondary.found', {name: secondary.by, what: secondary.found.map((label) => findingWord(texts, label)).join(', ')});
}
