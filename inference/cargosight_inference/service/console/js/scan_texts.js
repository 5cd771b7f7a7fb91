/** Words and signs for what a scan is and what became of it. */

import {el, outside} from './dom.js';
import {icon} from './icons.js';

const STATES = {
  waiting: ['state.waiting', 'clock', 'soft'],
  undecided: ['state.undecided', 'eye', 'accent'],
  to_confirm: ['state.to_confirm', 'people', 'unsure'],
  cleared: ['state.cleared', 'tick', 'clear'],
  referred: ['state.referred', 'flag', 'refer'],
  closed: ['state.closed', 'search', 'soft'],
};

const ADVICE = {
  clear: ['advice.clear', 'tick', 'clear'],
  refer: ['advice.refer', 'flag', 'refer'],
  unreadable: ['advice.unreadable', 'unknown', 'unsure'],
};

const DECISIONS = {
  clear: 'decision.clear',
  refer: 'decision.refer',
};

const DECIDED = {
  clear: 'state.cleared',
  refer: 'state.referred',
};

const KINDS = {
  decision: 'record.decision',
  undo: 'record.undo',
  confirmation: 'record.confirmation',
  rejection: 'record.rejection',
  override: 'record.override',
};

const VERDICTS = {
  confirmed: ['verdict.confirmed', 'tick', 'refer'],
  rejected: ['verdict.rejected', 'cross', 'soft'],
  drawn: ['verdict.drawn', 'pencil', 'refer'],
};

/** A sign and a word. */
export function tag(text, sign, tone) {
  return el('span', {class: 'tag', data: {tone}}, icon(sign), el('span', {text}));
}

export function stateTag(texts, state) {
  const [key, sign, tone] = STATES[state] ?? STATES.waiting;
  return tag(texts.t(key), sign, tone);
}

/** The advice, or that there is none. */
export function adviceTag(texts, advice) {
  const [key, sign, tone] = ADVICE[advice] ?? ['advice.none', 'clock', 'soft'];
  return tag(texts.t(key), sign, tone);
}

export function verdictTag(texts, verdict) {
  const [key, sign, tone] = VERDICTS[verdict];
  return tag(texts.t(key), sign, tone);
}

/** The sign and tone of a state, for places too small for words. */
export function stateSign(state) {
  const [key, sign, tone] = STATES[state] ?? STATES.waiting;
  return {key, sign, tone};
}

/** The sign and tone of an advice. */
export function adviceSign(advice) {
  const [key, sign, tone] = ADVICE[advice] ?? ['advice.none', 'clock', 'soft'];
  return {key, sign, tone};
}

/** `clear` or `refer` as a word. */
export function decisionWord(texts, decision) {
  return DECISIONS[decision] ? texts.t(DECISIONS[decision]) : '';
}

/** `clear` or `refer` as what was done. */
export function decidedWord(texts, decision) {
  return DECIDED[decision] ? texts.t(DECIDED[decision]) : '';
}

/** What kind of record it is, as a word. */
export function recordWord(texts, kind) {
  return KINDS[kind] ? texts.t(KINDS[kind]) : kind;
}

/** A finding's label, or a reason that names one, as people read it: as the labels in the picture are. */
export function findingWord(texts, label) {
  return texts.label(label);
}

/** What a scan is called: its number, or the name of its file. */
export function nameOf(scan) {
  return scan.number || scan.name || String(scan.id);
}

/** The same, as an element. */
export function nameNode(scan) {
  return outside(nameOf(scan));
}

/** The id of a scan's last decision record, 0 where there is none. */
export function lastDecision(detail) {
  return Math.max(0, ...(detail?.decisions ?? []).map((decision) => decision.id));
}


/** The mark that counts of a finding: the last. */
export function verdictOf(marks, inspection, finding) {
  return marks.filter((mark) => mark.inspection === inspection && mark.finding === finding && mark.verdict !== 'drawn').at(-1) ?? null;
}
