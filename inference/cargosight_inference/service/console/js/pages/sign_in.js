/** Signing in, and choosing a password of one's own. */

import {field} from '../dialogs.js';
import {el} from '../dom.js';
import {icon} from '../icons.js';

const LEAST_PASSWORD = 10;

/** The sign-in page. */
export function openSignIn(app, host, _parts, signal) {
  const {t} = app;
  const name = el('input', {type: 'text', name: 'username', autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', required: true, autofocus: true});
  const password = el('input', {type: 'password', name: 'password', autocomplete: 'current-password', required: true});
  const form = new CardForm(app, host, {
    title: t('sign_in.title'), sendText: t('sign_in.send'),
    fields: [field(t('sign_in.name'), name), field(t('sign_in.password'), password)],
    hints: [app.why, app.outbox.ofOthers ? app.texts.count('sign_in.unsaved', app.outbox.ofOthers) : null],
  });
  form.onSend(async () => {
    if (!name.value || !password.value) return form.complain(t('sign_in.missing'), name.value ? password : name);
    try {
      await app.api.send('POST', '/login', {name: name.value, password: password.value});
      const me = await app.api.me();
      app.oneTime = me.must_change_password ? password.value : '';
      await app.signedIn(me);
    } catch (error) {
      const waits = error.status === 429 && error.retryAfter;
      form.complain(waits ? t('sign_in.wait', {time: app.texts.span(error.retryAfter)}) : error.message || t('notice.no_answer'), password);
      password.value = '';
    }
    return null;
  }, signal);
}

/** The page of a new password: by the person's wish, or because the first one was made by somebody else. */
export function openPassword(app, host, _parts, signal) {
  const {t} = app;
  const forced = app.me?.must_change_password ?? true;
  const known = forced ? app.oneTime : '';
  const current = el('input', {type: 'password', name: 'current', autocomplete: 'current-password', autofocus: !known});
  const fresh = el('input', {type: 'password', name: 'new', autocomplete: 'new-password', autofocus: Boolean(known), minlength: LEAST_PASSWORD});
  const again = el('input', {type: 'password', name: 'again', autocomplete: 'new-password'});
  const form = new CardForm(app, host, {
    title: t(forced ? 'password.title_forced' : 'page.password'), sendText: t('password.send'),
    hints: [forced ? t('password.why') : null],
    fields: [
      !known && field(t('password.current'), current),
      field(t('password.new'), fresh, t('password.rule', {least: LEAST_PASSWORD})),
      field(t('password.again'), again),
    ],
  });
  form.onSend(async () => {
    if (fresh.value.length < LEAST_PASSWORD) return form.complain(t('password.rule', {least: LEAST_PASSWORD}), fresh);
    if (fresh.value !== again.value) return form.complain(t('password.differ'), again);
    try {
      await app.api.post('/me/password', {current: known || current.value, new: fresh.value});
      app.oneTime = '';
      app.notices.show(t('password.changed'), {tone: 'good'});
      if (!forced) window.location.hash = '#/';
      await app.signedIn(await app.api.me());
    } catch (error) {
      form.complain(error.message || t('notice.no_answer'), known ? fresh : current);
    }
    return null;
  }, signal);
}

/** A form in a card of its own, in the middle of the page. */
class CardForm {
  constructor(app, host, {title, hints, fields, sendText}) {
    host.className = 'sign-in';
    this.error = el('p', {class: 'error', role: 'alert'});
    this.button = el('button', {class: 'button', type: 'submit', data: {tone: 'accent'}, text: sendText});
    this.form = el('form', {class: 'card fields', novalidate: true},
      el('p', {class: 'card-brand'}, el('img', {src: 'favicon.svg', alt: '', width: 40, height: 40}), el('span', {text: 'cargosight'})),
      el('h1', {text: title}), hints.filter(Boolean).map((hint) => el('p', {class: 'box', role: 'status'}, icon('info'), el('span', {text: hint}))), fields, this.error, this.button);
    host.append(this.form);
  }

  onSend(send, signal) {
    this.form.addEventListener('submit', async (event) => {
      event.preventDefault();
      if (this.button.disabled) return;
      this.error.textContent = '';
      for (const invalid of this.form.querySelectorAll('[aria-invalid]')) invalid.removeAttribute('aria-invalid');
      this.button.disabled = true;
      await send();
      this.button.disabled = false;
    }, {signal});
  }

  complain(text, control) {
    this.error.textContent = text;
    control.setAttribute('aria-invalid', 'true');
    control.focus();
    return null;
  }
}
