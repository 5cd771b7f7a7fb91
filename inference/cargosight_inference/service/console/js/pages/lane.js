/** The lane view: the picture, what was found, the decision. The page that operators sit at all day. */

import {Deciding} from '../deciding.js';
import {DecisionPanel} from '../decision_panel.js';
import {el} from '../dom.js';
import {FindingsPanel} from '../findings_panel.js';
import {AppearanceGuard} from '../guard.js';
import {icon} from '../icons.js';
import {LaneFeed} from '../lane_feed.js';
import {LaneState} from '../lane_state.js';
import {LaneStatus} from '../lane_status.js';
import {may} from '../roles.js';
import {ScanHead} from '../scan_head.js';
import {decisionWord, nameOf} from '../scan_texts.js';
import {ScanView} from '../scan_view.js';
import {ScreenSource} from '../screen_link.js';
import {Strip} from '../strip.js';
import {Thumbnails} from '../thumbnails.js';
import {UndoBar} from '../undo_bar.js';

const TICK_MS = 250;
const SHOWING = new Set(['scan.inspected', 'scan.overdue', 'scan.decided']);

/** Open the page. @returns {function} closes it. */
export function openLane(app, host, [name], signal) {
  const desk = new LaneDesk(app, host, name, signal);
  desk.start();
  return () => desk.stop();
}

class LaneDesk {
  constructor(app, host, name, signal) {
    Object.assign(this, {app, name, lane: null, current: null, mode: 'idle', pictureSeen: false, follows: true});
    this.me = app.me.name;
    this.decides = may(app.me, 'decide');
    this.state = new LaneState(this.me, this.decides);
    this.guard = new AppearanceGuard();
    this.deciding = new Deciding(app, this);
    this.build(host);
    this.feed = new LaneFeed(app, name, this.state, {
      onLane: (lane) => this.takeLane(lane),
      onLoaded: () => this.loaded(),
      onEvent: (kind, data, summary, before) => this.event(kind, data, summary, before),
      onConnection: (connection) => this.connection(connection),
    });
    this.state.addEventListener('change', () => this.update(), {signal});
    app.outbox.addEventListener('change', () => this.update(), {signal});
    this.bindKeys(signal);
  }

  build(host) {
    const {app, deciding} = this;
    const {t} = app;
    this.view = new ScanView(app, {
      onAppeared: () => this.appeared(),
      onDetail: (detail) => this.takeDetail(detail),
      onSelected: (index) => this.findings.select(index),
      onBelow: (below) => this.findings?.showBelow(below),
      onDrawn: (box) => deciding.drawn(box),
      onTool: (name) => this.findings.drawing(name === 'draw'),
      onPicture: (there) => this.findings.offerDrawing(there),
    });
    this.thumbnails = new Thumbnails(app.pictures);
    this.status = new LaneStatus(app.texts);
    this.head = new ScanHead(app);
    this.findings = new FindingsPanel(app, {
      onSelect: (index) => this.view.viewer.overlay.select(index),
      onVerdict: this.decides ? (index, verdict) => deciding.mark(index, verdict) : null,
      onDraw: this.decides ? () => deciding.draw() : null,
    });
    this.panel = new DecisionPanel(app, {
      decides: this.decides, onClear: () => deciding.clear(), onRefer: () => deciding.refer(), onAgree: () => deciding.agree(), onDisagree: () => deciding.disagree(),
    });
    this.undoBar = new UndoBar(app, () => deciding.undo());
    this.strip = new Strip(app, this.thumbnails, (id) => this.open(id, true));
    this.source = new ScreenSource(this.name);
    const screen = el('a', {class: 'button', data: {kind: 'sign'}, href: `#/screen/${this.name}`, target: `cargosight-screen-${this.name}`, title: t('screen.open'), aria: {label: t('screen.open')}}, icon('screen'));
    this.status.element.append(screen);
    app.shell.setSlot(this.status.element);
    const side = el('aside', {class: 'side', aria: {label: t('lane.side')}}, this.head.element, this.findings.element, this.view.overlayPanel.element, this.undoBar.element, this.panel.element);
    host.className = 'lane';
    host.append(el('h1', {class: 'hidden-text', text: t('lane.title', {lane: this.name})}), this.view.element, side, this.strip.element);
  }

  bindKeys(signal) {
    const {deciding} = this;
    const act = (name) => () => deciding[name]();
    const verdict = (word) => () => {
      if (this.findings.selected !== null) deciding.mark(this.findings.selected, word);
    };
    const keys = this.decides ? {
      c: act('clear'), r: act('refer'), u: act('undo'), v: act('agree'), d: act('disagree'), k: verdict('confirmed'), n: verdict('rejected'), b: act('draw'),
    } : {};
    this.app.keys.bind({...keys, g: () => this.goOn(null, true)}, signal);
  }

  start() {
    this.idle();
    const last = this.app.undoable;
    if (last?.scan.lane === this.name) this.undoBar.offer(last);
    this.feed.start();
    this.timer = setInterval(() => this.tick(), TICK_MS);
  }

  stop() {
    this.stopped = true;
    clearInterval(this.timer);
    this.feed.stop();
    this.source.close();
    this.view.destroy();
    this.app.journal.flush();
  }

  /** Whether the next scan may take the picture's place: nothing undecided is open, and nothing is being asked or sent. */
  get free() {
    if (this.deciding.asking) return false;
    if (this.current === null) return true;
    return !this.app.outbox.decisionOf(this.current.id) && !this.state.isTask(this.current);
  }

  takeLane(lane) {
    this.lane = lane;
    this.update();
  }

  loaded() {
    const known = this.current && this.state.get(this.current.id);
    if (known) this.renew(known);
    else if (this.current) this.view.refresh();
    this.goOn();
  }

  event(kind, data, summary, before) {
    if (kind === 'scan.marked' && data.scan === this.current?.id) this.view.refresh();
    if (!summary) return;
    if (kind === 'scan.picture') {
      this.thumbnails.renew(summary.id);
      if (summary.has_picture) this.view.ahead(summary.id);
    }
    if (summary.id === this.current?.id) this.happened(kind, summary, before);
    else this.lateWarning(kind, summary);
    if (!this.decides) this.watch(kind, summary);
    else if (SHOWING.has(kind)) this.goOn();
  }

  /** One who does not decide sees every scan as it appears, until another is chosen. */
  watch(kind, summary) {
    const appears = kind === 'scan.overdue' || (kind === 'scan.inspected' && !summary.late);
    if (appears && this.follows) this.open(summary.id);
  }

  /** Something happened to the scan that is open. */
  happened(kind, summary, before) {
    const {t, texts, notices} = this.app;
    this.renew(summary);
    if (kind === 'scan.inspected') {
      this.view.refresh();
      notices.announce(t(summary.late ? 'lane.late_findings' : 'lane.new_findings', {name: nameOf(summary)}));
      this.lateWarning(kind, summary);
    } else if (kind === 'scan.decided' || kind === 'scan.closed') {
      const by = summary.decision?.by;
      this.view.refresh();
      if (this.decides && before?.state === 'undecided' && by && by !== this.me && !this.app.outbox.decisionOf(summary.id)) {
        notices.show(t('decide.meanwhile', {name: nameOf(summary), by, what: decisionWord(texts, summary.decision.decision), time: texts.clock(summary.decision.at)}));
      }
    }
  }

  /** Findings that came after this person had cleared a scan are not left to the strip. */
  lateWarning(kind, summary) {
    const mine = summary.decision?.by === this.me && summary.decision.decision === 'clear';
    if (kind !== 'scan.inspected' || !mine || !['refer', 'unreadable'].includes(summary.advice)) return;
    const {t} = this.app;
    this.app.notices.show(t('lane.late_after_clear', {name: nameOf(summary)}), {tone: 'warn', action: {text: t('lane.open'), run: () => this.open(summary.id, true)}});
  }

  /** Open a scan. @param {boolean} chosen by the person, and not because its turn had come. */
  open(id, chosen = false) {
    const scan = this.state.get(id);
    if (!scan || this.deciding.asking || this.stopped) return;
    if (this.current?.id === id) return this.update();
    this.follows = this.follows && !chosen;
    this.current = scan;
    this.guard.begin();
    this.head.tick(null);
    this.pictureSeen = false;
    this.findings.clear();
    this.source.show(id);
    this.view.open(scan);
    this.update();
    const {t, texts} = this.app;
    const advice = scan.advice ? '' : ` ${t('advice.overdue')}`;
    if (!chosen || this.mode === 'decide') this.app.notices.announce(t('lane.new_scan', {name: nameOf(scan), waiting: texts.count('queue.waiting', this.state.queue(id).length)}) + advice);
    const next = this.state.next(id);
    if (next?.has_picture) this.view.ahead(next.id);
  }

  /** Go on to the next scan where there is one. @param {number|null} done the scan that was just decided. */
  goOn(done = null, asked = false) {
    if (this.lane === null || this.stopped) return;
    if (!this.decides) {
      this.follows ||= asked;
      const newest = this.state.queue().at(-1);
      if (newest && (asked || this.current === null)) this.open(newest.id);
      return this.update();
    }
    if (!this.free && !asked) return this.update();
    if (asked && this.state.isTask(this.current)) return;
    const next = this.state.next(this.current?.id ?? null);
    if (next) this.open(next.id);
    else if ((done !== null && this.current?.id === done) || asked) this.idle();
    this.update();
    if (!next) this.askNext();
  }

  /** Ask the service whether a scan waits that this page does not know of. */
  async askNext() {
    if (this.asked) return;
    this.asked = true;
    try {
      const skip = [...this.state.held].join(',');
      const scan = await this.app.api.get(`/lanes/${this.name}/next`, {skip});
      if (scan && !this.state.get(scan.id)) {
        this.state.apply('scan.inspected', scan);
        if (this.free) this.open(scan.id);
      }
    } catch {
      // The events tell of the next scan as well; this only makes sure.
    }
    this.asked = false;
  }

  idle() {
    const {t} = this.app;
    this.current = null;
    this.guard.begin();
    this.head.tick(null);
    this.pictureSeen = false;
    this.source.show(null);
    this.findings.clear();
    this.view.close(el('p', {class: 'stage-title', text: t('lane.idle')}), el('p', {text: t('lane.idle_hint')}));
    this.update();
  }

  /** The picture, or the word that there is none, has come into sight. */
  appeared() {
    this.guard.appeared();
    this.pictureSeen = true;
    this.tick();
  }

  takeDetail(detail) {
    this.findings.show(detail.inspection, detail.marks);
    this.update();
  }

  renew(summary) {
    this.current = summary;
    this.view.take(summary);
    this.update();
  }

  /** Bring every part up to date. */
  update() {
    if (this.lane === null || this.stopped) return;
    if (this.current) this.current = this.state.get(this.current.id) ?? this.current;
    const {current, state} = this;
    const mode = this.modeOf(current);
    if (mode !== this.mode && this.pictureSeen) this.guard.restart();
    this.mode = mode;
    this.head.show(current, this.view.detail, state.others(current));
    this.panel.show(this.mode, current, current && this.app.outbox.decisionOf(current.id));
    this.findings.element.hidden = current === null;
    this.view.overlayPanel.element.hidden = current === null;
    this.strip.update(state, current?.id ?? null);
    this.status.setLane(this.lane, this.decides ? state.queue().length : this.lane.queue.undecided);
    this.status.setPending(this.app.outbox.pending.length);
  }

  modeOf(scan) {
    if (scan === null) return 'idle';
    if (!this.decides) return 'review';
    if (scan.state === 'undecided') return 'decide';
    return scan.state === 'to_confirm' && scan.decision?.by !== this.me ? 'confirm' : 'review';
  }

  connection(state) {
    if (this.told === 'lost' && state === 'live') this.app.notices.announce(this.app.t('connection.back'));
    if (state === 'lost' && this.told !== 'lost') this.app.notices.announce(this.app.t('connection.lost'));
    if (state !== 'connecting') this.told = state;
    this.status.setConnection(state);
  }

  tick() {
    const timed = this.mode === 'decide' || this.mode === 'confirm';
    this.head.tick(timed ? this.guard.seconds : null);
    this.undoBar.tick();
  }
}
