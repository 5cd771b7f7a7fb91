/** The findings beside the picture: each can be confirmed, rejected, and one that was missed can be drawn. */

import {el, put} from './dom.js';
import {icon} from './icons.js';
import {findingWord, verdictOf, verdictTag} from './scan_texts.js';

export class FindingsPanel {
  /**
   * @param {object} app
   * @param {object} told `onSelect(index)`, `onVerdict(index, verdict)`, `onDraw()`; the last two absent where it is only read.
   */
  constructor(app, told) {
    this.app = app;
    this.told = told;
    this.selected = null;
    this.inspection = null;
    this.below = [];
    this.title = el('h3', {text: app.t('finding.title')});
    this.list = el('ul', {class: 'finding-list'});
    this.drawButton = el('button', {class: 'button', type: 'button', data: {kind: 'small'}, on: {click: () => told.onDraw()}},
      icon('pencil'), app.t('finding.draw'), el('kbd', {text: app.t('key.draw')}));
    this.drawButton.hidden = !told.onDraw;
    this.offerDrawing(false);
    this.drawing(false);
    this.element = el('section', {class: 'findings', aria: {label: app.t('finding.title')}},
      el('div', {class: 'findings-head'}, this.title, this.drawButton), this.list);
  }

  /** From now on findings are shown, and nothing is said of them. */
  onlyShow() {
    Object.assign(this.told, {onVerdict: null, onDraw: null});
    this.drawButton.hidden = true;
  }

  /** @param {boolean} there whether there is a picture to draw in. */
  offerDrawing(there) {
    this.drawButton.setAttribute('aria-disabled', String(!there));
  }

  /** @param {boolean} on whether a box is being drawn. */
  drawing(on) {
    this.drawButton.setAttribute('aria-pressed', String(on));
  }

  /** Show the findings of an inspection and the marks of the scan. */
  show(inspection, marks = []) {
    const changed = inspection?.id !== this.inspection?.id;
    this.inspection = inspection;
    if (changed) this.selected = null;
    const findings = inspection?.findings ?? [];
    const drawn = marks.filter((mark) => mark.verdict === 'drawn');
    const focus = this.list.contains(document.activeElement) ? document.activeElement.dataset.place : null;
    put(this.list, findings.map((finding, index) => this.item(finding, index, verdictOf(marks, inspection.id, index))),
      drawn.map((mark) => this.drawn(mark)),
      findings.length + drawn.length === 0 && el('li', {class: 'soft nothing', text: this.app.t(inspection ? 'finding.none' : 'finding.not_yet')}),
      this.belowItems());
    if (focus) this.list.querySelector(`[data-place="${focus}"]`)?.focus();
  }

  clear() {
    this.inspection = null;
    this.selected = null;
    this.below = [];
    put(this.list);
  }

  /** Show what would alarm at the overlay's threshold and is no finding; the findings keep their numbers. */
  showBelow(below) {
    if (below.length === this.below.length && below.every((finding, place) => finding === this.below[place])) return;
    this.below = below;
    this.list.querySelectorAll('[data-verdict="below"]').forEach((item) => item.remove());
    this.list.append(...this.belowItems());
  }

  belowItems() {
    const {texts, t} = this.app;
    return this.below.map(({label, score, position}) => el('li', {class: 'finding-item', data: {verdict: 'below'}},
      el('span', {class: 'finding'}, el('span', {class: 'finding-number', text: '–'}),
        el('span', {class: 'finding-name'}, el('span', {text: findingWord(texts, label)}),
          el('span', {class: 'soft small', text: [t('finding.below'), place(texts, position)].filter(Boolean).join(', ')})),
        el('span', {class: 'finding-score', title: t('finding.score'), text: texts.score(score)}))));
  }

  /** Mark a finding as selected, by its place; null for none. */
  select(index) {
    this.selected = index;
    for (const item of this.list.children) {
      const button = item.querySelector('.finding');
      if (!button) continue;
      const on = Number(item.dataset.index) === index;
      button.setAttribute('aria-pressed', String(on));
      if (on) item.scrollIntoView({block: 'nearest'});
    }
  }

  item(finding, index, mark) {
    const {texts, t} = this.app;
    const name = findingWord(texts, finding.label);
    const where = place(texts, finding.position);
    const button = el('button', {
      class: 'finding', type: 'button', data: {place: `${index} select`}, aria: {pressed: index === this.selected},
      on: {click: () => this.told.onSelect?.(index)},
    }, el('span', {class: 'finding-number', text: String(index + 1)}),
      el('span', {class: 'finding-name'}, el('span', {text: name}), where && el('span', {class: 'soft small', text: where})),
      el('span', {class: 'finding-score', title: t('finding.score'), text: texts.score(finding.score)}));
    return el('li', {class: 'finding-item', data: {index, verdict: mark?.verdict ?? ''}}, button,
      this.told.onVerdict ? this.verdicts(name, index, mark) : mark && verdictTag(texts, mark.verdict));
  }

  verdicts(name, index, mark) {
    const {t} = this.app;
    const one = (verdict, sign, label) => el('button', {
      class: 'button', type: 'button', data: {kind: 'sign', place: `${index} ${verdict}`}, title: label,
      aria: {label: `${label}: ${index + 1} ${name}`, pressed: mark?.verdict === verdict},
      on: {click: () => this.told.onVerdict(index, verdict)},
    }, icon(sign));
    return el('span', {class: 'finding-verdicts'}, one('confirmed', 'tick', t('finding.confirm')), one('rejected', 'cross', t('finding.reject')));
  }

  drawn(mark) {
    const {texts, t} = this.app;
    return el('li', {class: 'finding-item', data: {verdict: 'drawn'}},
      el('span', {class: 'finding'}, el('span', {class: 'finding-number'}, icon('pencil')),
        el('span', {class: 'finding-name'}, el('span', {text: findingWord(texts, mark.label)}),
          el('span', {class: 'soft small', text: t('finding.drawn_by', {name: mark.by ?? ''})}))));
  }
}

function place(texts, position) {
  if (!position) return '';
  if (position.metres !== null) return texts.t('finding.at_metres', {metres: texts.number(position.metres, 1)});
  return texts.t('finding.at_share', {share: texts.percent(position.share)});
}
