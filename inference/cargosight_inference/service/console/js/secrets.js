/** Secrets that are shown once: a one-time password, a token. */

import {FormDialog} from './dialogs.js';
import {el} from './dom.js';

/** Show a secret until it is said to be noted down. */
export async function showOnce(app, title, text, secret) {
  const {t, texts} = app;
  const copied = el('span', {class: 'soft small', role: 'status'});
  const copy = navigator.clipboard && el('button', {class: 'button', type: 'button', data: {kind: 'small'}, text: t('secret.copy'), on: {click: async () => {
    try {
      await navigator.clipboard.writeText(secret);
      copied.textContent = t('secret.copied');
    } catch {
      copied.textContent = t('secret.not_copied');
    }
  }}});
  const dialog = new FormDialog(texts, {
    title, sendText: t('secret.noted'), cancelText: null, send: () => true,
    build: () => [el('p', {text}), el('p', {class: 'secret'}, el('code', {text: secret}), copy), copied],
  });
  dialog.element.addEventListener('cancel', (event) => event.preventDefault());
  await dialog.open();
}
