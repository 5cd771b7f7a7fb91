/** The small panel of a decision that needs a reason: a number chooses, Enter sends, Escape goes back to the picture. */

import {FormDialog, field} from './dialogs.js';
import {el, outside} from './dom.js';
import {writes} from './guard.js';

const MOST_NOTE = 2000;
const MOST_REASON = 200;
const MOST_KEYS = 9;

/**
 * Ask for a reason and a note.
 * @param {Texts} texts
 * @param {object} parts `title`, `question` (above the reasons), `reasons` (none: a note alone), `sendText`, `tone`,
 *     `advice` (a sentence on top), `noteNeeded`, `place`.
 * @returns {Promise<{reason: string, note: string}|null>} null where it was cancelled.
 */
export function askReason(texts, {title, question = '', reasons = [], sendText, tone, advice = null, noteNeeded = false, place = 'beside'}) {
  const {t} = texts;
  const note = el('textarea', {rows: 2, maxlength: MOST_NOTE, name: 'note'});
  const other = el('input', {type: 'text', maxlength: MOST_REASON, name: 'other', autocomplete: 'off', aria: {label: t('reason.other_words')}, hidden: true});
  const radios = reasons.map((reason) => el('input', {type: 'radio', name: 'reason', value: reason}));
  if (reasons.length) radios.push(el('input', {type: 'radio', name: 'reason', value: ''}));
  const chosen = () => radios.find((radio) => radio.checked);
  const changed = () => {
    other.hidden = chosen() !== radios.at(-1);
    if (!other.hidden) other.focus();
  };
  const dialog = new FormDialog(texts, {
    title,
    tone,
    sendText: [sendText, ' ', el('kbd', {text: t('key.enter')})],
    cancelText: [t('form.cancel'), ' ', el('kbd', {text: t('key.escape')})],
    place,
    build: () => [
      advice && el('p', {class: 'box', data: {tone: 'warn'}, text: advice}),
      reasons.length > 0 && el('fieldset', {on: {change: changed}}, el('legend', {text: question}),
        radios.map((radio, place_) => choice(t, radio, place_)), other),
      field(t('reason.note'), note, t('reason.note_hint')),
    ],
    send: (open) => {
      const words = other.hidden ? chosen()?.value : other.value.trim();
      if (reasons.length && !words) {
        open.complain(t('reason.missing'), other.hidden ? radios[0] : other);
        return null;
      }
      if (noteNeeded && !note.value.trim()) {
        open.complain(t('reason.note_missing'), note);
        return null;
      }
      return {reason: words ?? '', note: note.value.trim()};
    },
  });
  dialog.element.addEventListener('keydown', (event) => key(event, dialog, radios, changed));
  const result = dialog.open();
  (radios[0] ?? note).focus();
  return result;
}

function choice(t, radio, place) {
  const sign = place < MOST_KEYS ? el('kbd', {text: String(place + 1), aria: {hidden: true}}) : null;
  return el('label', {class: 'choice'}, radio, el('span', {class: 'words'}, radio.value ? outside(radio.value) : t('reason.other')), sign);
}

function key(event, dialog, radios, changed) {
  if (event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.repeat) {
    if (event.key === 'Enter') event.preventDefault();
    return;
  }
  const button = event.target.closest('button');
  if (event.key === 'Enter' && !event.shiftKey && !button) {
    event.preventDefault();
    dialog.form.requestSubmit();
  } else if (/^[1-9]$/.test(event.key) && !writes(event.target)) {
    const radio = radios[Number(event.key) - 1];
    if (!radio) return;
    event.preventDefault();
    radio.checked = true;
    radio.focus();
    changed();
  }
}
