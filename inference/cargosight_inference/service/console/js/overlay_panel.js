/** What is drawn over the picture: boxes by score and class, heat, opaque regions, materials. */

import {el, put} from './dom.js';
import {findingWord} from './scan_texts.js';

const MAPS = [
  ['heat', 'anomaly', 'overlay.heat', 'setHeat', 'T'],
  ['opaque', 'opaque', 'overlay.opaque', 'setOpaque', 'O'],
  ['material', 'material', 'overlay.material', 'setMaterial', null],
];

export class OverlayPanel {
  /** @param {object} app @param {Viewer} viewer */
  constructor(app, viewer) {
    Object.assign(this, {app, viewer, overlay: viewer.overlay});
    const {t} = app;
    this.hide = el('button', {class: 'button', type: 'button', data: {kind: 'small'}, aria: {pressed: false}, on: {click: () => this.overlay.setVisible(this.overlay.state.latched)}},
      t('overlay.hide'), el('kbd', {text: t('key.hide')}));
    this.score = el('input', {type: 'range', min: 0, max: 1, step: 0.01, value: 0, aria: {describedby: 'overlay-score-help'}, on: {input: () => this.overlay.setThreshold(Number(this.score.value))}});
    this.scoreText = el('output', {class: 'small soft'});
    this.asInspected = el('button', {class: 'button', type: 'button', data: {kind: 'small'}, aria: {pressed: true}, text: t('overlay.as_inspected'), on: {click: () => this.overlay.setThreshold(null)}});
    this.maps = MAPS.map(([name, map, text, set, key]) => {
      const box = el('input', {type: 'checkbox', on: {change: () => this.overlay[set](box.checked)}});
      return {name, map, box, row: el('label', {class: 'choice'}, box, el('span', {class: 'words', text: t(text)}), key && el('kbd', {text: key}))};
    });
    this.opacity = el('input', {type: 'range', min: 0, max: 1, step: 0.05, on: {input: () => this.overlay.setOpacity(Number(this.opacity.value))}});
    this.opacityRow = el('label', {class: 'field'}, el('span', {class: 'label', text: t('overlay.opacity')}), this.opacity);
    this.classes = el('fieldset', {class: 'overlay-classes'});
    this.element = el('details', {class: 'overlay-panel'}, el('summary', {text: t('overlay.title')}),
      el('div', {class: 'overlay-body'}, this.hide, el('label', {class: 'field'}, el('span', {class: 'label', text: t('overlay.score')}), this.score, this.scoreText),
        this.asInspected, el('p', {class: 'small soft', id: 'overlay-score-help', text: t('overlay.score_help')}), this.maps.map(({row}) => row), this.opacityRow, this.classes));
    this.inspection = null;
    this.update(this.overlay.state);
  }

  /** Offer what an inspection has. */
  show(inspection) {
    this.inspection = inspection;
    for (const {map, row} of this.maps) row.hidden = !inspection?.maps?.[map];
    this.opacityRow.hidden = !inspection?.maps?.anomaly;
    this.labels = null;
    this.update(this.overlay.state);
  }

  /** Offer the classes of what is found, and of what would alarm at the threshold. */
  showClasses({hiddenClasses}) {
    const {t, texts} = this.app;
    const labels = this.overlay.classes;
    if (labels.join() === this.labels) return;
    this.labels = labels.join();
    const hidden = new Set(hiddenClasses);
    put(this.classes, labels.length > 0 && el('legend', {text: t('overlay.classes')}), labels.map((label) => {
      const box = el('input', {type: 'checkbox', checked: !hidden.has(label), on: {change: () => this.overlay.setClassVisible(label, box.checked)}});
      return el('label', {class: 'choice'}, box, el('span', {text: findingWord(texts, label)}));
    }));
    this.classes.hidden = labels.length === 0;
  }

  /** Show the state of the overlay, whoever has changed it. */
  update(state) {
    this.hide.setAttribute('aria-pressed', String(state.latched));
    for (const {name, box} of this.maps) box.checked = state[name];
    this.opacity.value = state.opacity;
    this.score.value = state.threshold ?? lowest(this.inspection);
    this.asInspected.setAttribute('aria-pressed', String(state.threshold === null));
    const shown = this.words(state);
    this.scoreText.textContent = shown;
    this.score.setAttribute('aria-valuetext', shown);
    this.showClasses(state);
    const changed = state.latched || state.threshold !== null || state.hiddenClasses.length > 0;
    this.element.dataset.reduced = changed ? 'yes' : 'no';
  }

  /** What the threshold shows, and how far down that can be told. */
  words({threshold, shown, wouldAlarm}) {
    const {t, texts} = this.app;
    const numbers = {shown: shown.length, all: this.inspection?.findings.length ?? 0};
    if (threshold === null) return t('overlay.shown_inspected', numbers);
    const {below_threshold: below, below_floor: floor} = this.inspection ?? {};
    const kept = Array.isArray(below);
    return [
      t('overlay.shown', {score: texts.score(threshold), ...numbers}),
      kept && texts.count('overlay.would_alarm', wouldAlarm.length),
      this.inspection && !kept && threshold < highest(this.inspection) && t('overlay.not_kept'),
      kept && threshold < floor && t('overlay.from_floor', {floor: texts.score(floor)}),
    ].filter(Boolean).join('; ');
  }
}

/** Where the slider stands while it shows what was inspected: at the lowest of the thresholds. */
function lowest(inspection) {
  const thresholds = Object.values(inspection?.thresholds ?? {});
  return thresholds.length === 0 ? 0 : Math.min(...thresholds);
}

/** The threshold above which nothing can have been kept out. */
function highest(inspection) {
  return Math.max(0, ...Object.values(inspection.thresholds ?? {}));
}
