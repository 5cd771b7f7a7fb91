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
    this.score = el('input', {type: 'range', min: 0, max: 1, step: 0.01, value: 0, on: {input: () => this.overlay.setMinimumScore(Number(this.score.value))}});
    this.scoreText = el('output', {class: 'small soft'});
    this.maps = MAPS.map(([name, map, text, set, key]) => {
      const box = el('input', {type: 'checkbox', on: {change: () => this.overlay[set](box.checked)}});
      return {name, map, box, row: el('label', {class: 'choice'}, box, el('span', {class: 'words', text: t(text)}), key && el('kbd', {text: key}))};
    });
    this.opacity = el('input', {type: 'range', min: 0, max: 1, step: 0.05, on: {input: () => this.overlay.setOpacity(Number(this.opacity.value))}});
    this.opacityRow = el('label', {class: 'field'}, el('span', {class: 'label', text: t('overlay.opacity')}), this.opacity);
    this.classes = el('fieldset', {class: 'overlay-classes'});
    this.element = el('details', {class: 'overlay-panel'}, el('summary', {text: t('overlay.title')}),
      el('div', {class: 'overlay-body'}, this.hide, el('label', {class: 'field'}, el('span', {class: 'label', text: t('overlay.score')}), this.score, this.scoreText),
        this.maps.map(({row}) => row), this.opacityRow, this.classes));
    this.inspection = null;
    this.update(this.overlay.state);
  }

  /** Offer what an inspection has. */
  show(inspection) {
    this.inspection = inspection;
    for (const {map, row} of this.maps) row.hidden = !inspection?.maps?.[map];
    this.opacityRow.hidden = !inspection?.maps?.anomaly;
    const labels = [...new Set((inspection?.findings ?? []).map(({label}) => label))];
    const {t, texts} = this.app;
    const hidden = new Set(this.overlay.state.hiddenClasses);
    put(this.classes, labels.length > 0 && el('legend', {text: t('overlay.classes')}), labels.map((label) => {
      const box = el('input', {type: 'checkbox', checked: !hidden.has(label), on: {change: () => this.overlay.setClassVisible(label, box.checked)}});
      return el('label', {class: 'choice'}, box, el('span', {text: findingWord(texts, label)}));
    }));
    this.classes.hidden = labels.length === 0;
    this.update(this.overlay.state);
  }

  /** Show the state of the overlay, whoever has changed it. */
  update(state) {
    const {t, texts} = this.app;
    this.hide.setAttribute('aria-pressed', String(state.latched));
    for (const {name, box} of this.maps) box.checked = state[name];
    this.opacity.value = state.opacity;
    this.score.value = state.minimumScore;
    const all = this.inspection?.findings.length ?? 0;
    const shown = t('overlay.shown', {score: texts.score(state.minimumScore), shown: state.shown.length, all});
    this.scoreText.textContent = shown;
    this.score.setAttribute('aria-valuetext', shown);
    const reduced = state.latched || state.minimumScore > 0 || state.hiddenClasses.length > 0;
    this.element.dataset.reduced = reduced ? 'yes' : 'no';
  }
}
