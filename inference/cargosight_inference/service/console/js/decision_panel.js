/** Where the decision is made, and what became of it. */

import {el, outside, put} from './dom.js';
import {icon} from './icons.js';
import {decidedWord, stateTag} from './scan_texts.js';

export class DecisionPanel {
  /**
   * @param {object} app
   * @param {object} told `decides` (whether the person may), `onClear()`, `onRefer()`, `onAgree()`, `onDisagree()`.
   */
  constructor(app, told) {
    this.app = app;
    this.decides = told.decides;
    const {t} = app;
    const big = (tone, sign, text, keyText, run) => el('button', {class: 'button big', type: 'button', data: {tone}, on: {click: run}},
      icon(sign), el('span', {text}), el('kbd', {text: keyText}));
    this.clear = big('clear', 'tick', t('decide.clear'), t('key.clear'), () => told.onClear());
    this.refer = big('refer', 'flag', t('decide.refer'), t('key.refer'), () => told.onRefer());
    this.agree = big('clear', 'tick', t('decide.agree'), t('key.agree'), () => told.onAgree());
    this.disagree = big('refer', 'cross', t('decide.disagree'), t('key.disagree'), () => told.onDisagree());
    this.facts = el('div', {class: 'decision-facts'});
    this.choices = el('div', {class: 'decision-choices'});
    this.element = el('section', {class: 'decision', aria: {label: t('decide.title')}}, this.facts, this.choices);
    this.form = '';
  }

  /**
   * Show what can be done with the scan that is open.
   * @param {string} mode `decide`, `confirm`, `review`, `idle`.
   * @param {object|null} scan
   * @param {object|null} pending the outbox's entry of this scan.
   */
  show(mode, scan, pending) {
    const form = [mode, scan?.id, scan?.state, scan?.decision?.id, pending?.state, pending?.attempts > 1, pending?.problem].join('|');
    if (form === this.form) return;
    this.form = form;
    const focused = this.choices.contains(document.activeElement) ? document.activeElement : null;
    put(this.facts, pending ? this.pending(pending) : this.about(mode, scan));
    const shown = mode === 'confirm' ? [this.agree, this.disagree] : mode === 'review' || !this.decides ? [] : [this.clear, this.refer];
    put(this.choices, shown);
    for (const button of shown) button.setAttribute('aria-disabled', String(mode === 'idle' || pending !== null));
    if (focused) (shown.includes(focused) ? focused : document.getElementById('main'))?.focus({preventScroll: true});
  }

  about(mode, scan) {
    const {t} = this.app;
    if (mode === 'idle') return null;
    if (mode === 'decide') return null;
    const {decision} = scan;
    const story = decision ? this.story(decision) : null;
    if (mode === 'confirm') return [el('h3', {text: t('decide.confirm_title')}), story, el('p', {text: t('decide.confirm_question')})];
    return [el('div', {class: 'advice-line'}, stateTag(this.app.texts, scan.state)), story];
  }

  /** Who decided what, when and why. */
  story(decision) {
    const {t, texts} = this.app;
    return [
      el('p', null, t('decide.by', {what: decidedWord(texts, decision.decision), name: decision.by, time: texts.clock(decision.at)})),
      decision.reason && el('p', null, outside(decision.reason)),
      decision.note && el('p', {class: 'soft'}, outside(decision.note)),
    ];
  }

  pending(pending) {
    const {t} = this.app;
    const again = pending.attempts > 1 || pending.state === 'waiting';
    if (!again) return el('p', {class: 'saving', data: {state: 'saving'}, text: t('decide.saving')});
    return el('div', {class: 'box', data: {tone: 'warn', state: 'unsaved'}}, icon('warning'),
      el('div', null, el('strong', {text: t('decide.unsaved')}), el('p', {text: t('decide.trying')}), pending.problem && el('p', null, outside(pending.problem))));
  }
}
