/** Which scan it is, what is advised, and what has to be known before deciding. */

import {el, outside, put, say} from './dom.js';
import {icon} from './icons.js';
import {adviceTag, findingWord, nameNode, nameOf, tag} from './scan_texts.js';

export class ScanHead {
  /** @param {object} app */
  constructor(app) {
    this.app = app;
    this.name = el('h2', {class: 'scan-name'});
    this.timer = el('span', {class: 'timer', role: 'timer', aria: {live: 'off', label: app.t('lane.timer')}});
    this.facts = el('p', {class: 'scan-facts soft small'});
    this.flags = el('div', {class: 'scan-flags'});
    this.advice = el('div', {class: 'advice'});
    this.element = el('header', {class: 'scan-head'}, el('div', {class: 'scan-title'}, this.name, this.timer), this.facts, this.flags, this.advice);
  }

  /** Show a scan, or nothing. @param {string[]} others who else looks at it. */
  show(scan, detail, others = []) {
    this.element.hidden = scan === null;
    if (!scan) return;
    const {t, texts} = this.app;
    put(this.name, nameNode(scan));
    this.name.title = nameOf(scan);
    put(this.facts, t('scan_facts.received', {time: texts.clock(scan.received_at)}),
      scan.heading && [' · ', t('scan_facts.declared'), ' ', outside(scan.heading)],
      scan.width && ` · ${scan.width} × ${scan.height}`);
    put(this.flags, others.length > 0 && el('p', {class: 'box', data: {tone: 'note'}}, icon('people'), el('span', null, t('flag.viewers', {names: others.join(', ')}))));
    this.flags.hidden = others.length === 0;
    this.showAdvice(scan, detail?.inspection ?? null);
  }

  /** Seconds that the scan has been in sight, null to show none. */
  tick(seconds) {
    say(this.timer, seconds === null ? '' : this.app.texts.span(seconds));
  }

  showAdvice(scan, inspection) {
    const {t} = this.app;
    const advice = inspection?.decision ?? scan.advice;
    this.advice.dataset.advice = advice ?? 'none';
    if (!advice) {
      put(this.advice, adviceTag(this.app.texts, null), el('p', {text: t(scan.overdue ? 'advice.overdue' : 'advice.coming')}));
      return;
    }
    const late = inspection?.late ?? scan.late;
    const reasons = inspection?.reasons ?? scan.reasons ?? [];
    put(this.advice,
      el('div', {class: 'advice-line'}, el('span', {class: 'soft', text: t('advice.title')}), adviceTag(this.app.texts, advice),
        late && tag(t('flag.late'), 'clock', 'unsure')),
      reasons.length > 0 && el('ul', {class: 'reasons'}, reasons.map((reason) => el('li', null, outside(findingWord(this.app.texts, reason))))));
  }
}
