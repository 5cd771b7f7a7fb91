/** A scan in a viewer: loads its picture and what was said of it, each as soon as it is there. */

import {el, put} from './dom.js';
import {OverlayPanel} from './overlay_panel.js';
import {PlainPicture} from './plain_picture.js';
import {KEYMAP} from './viewer/keymap.js';
import {Viewer} from './viewer/viewer.js';
import {ViewerTools} from './viewer_tools.js';

const AGAIN_MS = 1200;
const STILL_HERE_MS = 30000; // the service takes one who is silent for 60 s for gone

export class ScanView {
  /**
   * @param {object} app
   * @param {object} told `onAppeared()` when the picture, or the word that there is none, is in sight; `onDetail(detail)`;
   *     `onSelected(index)`; `onDrawn(box)`; `onTool(name)`; `onPicture(there)`, whether there is
   *     a picture to draw in; `onBelow(findings)` of what would alarm at the overlay's threshold and is no finding.
   */
  constructor(app, told) {
    this.app = app;
    this.told = told;
    this.host = el('div', {class: 'viewer-host'});
    this.message = el('div', {class: 'stage-message'});
    this.summary = null;
    this.detail = null;
    this.shown = null;
    this.open_ = new AbortController();
    this.alive = new AbortController();
    this.viewer = new Viewer(this.host, {
      fetchTile: (scan, level, column, row, signal) => app.pictures.tile(scan, level, column, row, signal),
      fetchMap: (scan, inspection, name, signal) => app.pictures.map(scan, inspection, name, signal),
      t: app.t,
      onEvent: (name, detail) => this.heard(name, detail),
    });
    if (this.withoutCard) this.goPlain();
    else this.viewer.setKeys(KEYMAP.filter(({action}) => action !== 'draw')); // the page has that key, with what it tells
    app.journal.addEventListener('flush', () => this.viewer.reportUses(), {signal: this.alive.signal});
    this.tools = new ViewerTools(app, this.viewer);
    this.overlayPanel = new OverlayPanel(app, this.viewer);
    this.element = el('section', {class: 'stage', data: {card: this.plain ? 'none' : 'there'}, aria: {label: app.t('lane.picture')}},
      this.tools.filters, this.tools.tools, el('div', {class: 'stage-picture'}, this.host, this.plain?.element, this.message), this.tools.readout);
  }

  /** Without a graphics card the service's own drawing takes the viewer's place; there is nothing for keys to act on. */
  goPlain() {
    this.plain = new PlainPicture(this.app, this.withoutCard, () => this.told.onAppeared?.());
    this.plain.element.hidden = true;
    this.host.hidden = true;
    this.viewer.setKeys([]);
  }

  /** Whether there is a picture to draw a box in. */
  get drawable() {
    return this.shown !== null && !this.plain;
  }

  /** Show a scan in the place of the one before. */
  open(summary) {
    this.close();
    this.summary = summary;
    this.app.journal.viewed(summary.id);
    this.stillHere = setInterval(() => {
      if (!document.hidden) this.app.journal.viewed(summary.id);
    }, STILL_HERE_MS);
    this.loadPicture();
    this.loadDetail();
  }

  /** Take up what became known of the scan that is shown. */
  take(summary) {
    const before = this.summary;
    this.summary = summary;
    if (this.shown === null && (summary.has_picture !== before.has_picture || summary.picture_problem)) this.loadPicture();
  }

  /** Make ready what the picture of another scan needs to appear. */
  ahead(scan) {
    if (!this.plain) this.app.pictures.ahead(scan);
  }

  /** Load what was said of the scan again; the picture stays where it is. */
  refresh() {
    return this.loadDetail();
  }

  /** Show nothing but a message. */
  close(...message) {
    clearInterval(this.stillHere);
    this.open_.abort();
    this.open_ = new AbortController();
    this.viewer.clear();
    this.tools.reset();
    this.overlayPanel.show(null);
    this.plain?.clear();
    this.told_ = new Set();
    this.summary = null;
    this.detail = null;
    this.setShown(null);
    this.say(message);
  }

  destroy() {
    clearInterval(this.stillHere);
    this.open_.abort();
    this.viewer.destroy();
    this.alive.abort();
  }

  setShown(description) {
    this.shown = description;
    this.told.onPicture?.(this.drawable);
  }

  say(message) {
    put(this.message, message);
    this.message.hidden = message.length === 0;
    if (this.plain) this.plain.element.hidden = !this.message.hidden;
  }

  async loadPicture() {
    const {summary} = this;
    const {signal} = this.open_;
    const {t} = this.app;
    if (summary.picture_problem) {
      this.say([el('p', {class: 'stage-title', text: t('picture.none')}), el('p', {text: summary.picture_problem})]);
      this.told.onAppeared?.();
      return;
    }
    if (!summary.has_picture) {
      this.say([el('p', {class: 'stage-title', text: t('picture.coming')})]);
      return;
    }
    const description = await this.insist(() => this.app.pictures.description(summary.id), signal);
    if (signal.aborted || description === null) return;
    this.say([]);
    this.setShown(description);
    if (!this.plain) this.viewer.show(summary.id, description);
    this.tools.reset();
    this.annotate();
  }

  async loadDetail() {
    const {id} = this.summary;
    const {signal} = this.open_;
    const detail = await this.insist(() => this.app.api.get(`/scans/${id}`, {}, signal), signal);
    if (signal.aborted || detail === null) return;
    this.detail = detail;
    this.annotate();
    this.told.onDetail?.(detail);
  }

  /** Put what was found over the picture, once both are there. */
  annotate() {
    if (this.shown === null || this.detail === null) return;
    this.viewer.setInspection(this.detail.inspection);
    this.viewer.setMarks(this.detail.marks);
    this.overlayPanel.show(this.detail.inspection);
    this.plain?.show(this.detail);
  }

  /** Ask until there is an answer; a refusal for good is told, and is null. */
  async insist(ask, signal) {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (signal.aborted) return null;
        if (!error.passing) {
          this.say([el('p', {class: 'stage-title', text: this.app.t('picture.none')}), el('p', {text: error.message})]);
          this.told.onAppeared?.();
          return null;
        }
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
        if (signal.aborted) return null;
      }
    }
  }

  /** Tell a problem of the viewer once for each scan, however many tiles have it. */
  problem({code, message}) {
    if (code === 'no_webgl') {
      this.withoutCard = message; // it stands below the picture
      return;
    }
    if (this.told_?.has(code)) return;
    this.told_?.add(code);
    this.app.notices.show(message, {tone: 'warn'});
  }

  /** Say why a key does nothing, in the place of what was said of the one before. */
  calm(message) {
    this.calmed?.();
    this.calmed = this.app.notices.show(message);
  }

  heard(name, detail) {
    this.tools?.heard(name, detail);
    if (name === 'ready') this.told.onAppeared?.();
    else if (name === 'used' || (name === 'filter' && !detail.on)) {
      this.app.journal.filtered(detail.scanId, detail.name, detail.seconds);
    } else if (name === 'selected') {
      if (detail.text) this.app.notices.announce(detail.text);
      this.told.onSelected?.(detail.index);
    } else if (name === 'tool') this.told.onTool?.(detail.name);
    else if (name === 'unavailable') this.calm(detail.message);
    else if (name === 'overlay') {
      this.overlayPanel?.update(detail);
      this.told.onBelow?.(this.viewer?.overlay.wouldAlarm ?? []);
    } else if (name === 'drawn') this.told.onDrawn?.(detail.box);
    else if (name === 'problem') this.problem(detail);
  }
}
