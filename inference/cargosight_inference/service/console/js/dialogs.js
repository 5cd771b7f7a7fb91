/** Dialogs: the focus goes in, Escape goes out, and the focus returns to where it was. */

import {el, put, say} from './dom.js';

/**
 * A form in a dialog.
 *
 * `build(dialog)` gives the nodes between title and buttons. `send()` is asked when the form is sent: it returns the
 * dialog's result, or null to stay open (after `dialog.complain`), and may be async.
 */
export class FormDialog {
  /**
   * @param {Texts} texts
   * @param {object} parts `title`, `build`, `send`, `sendText`, `tone` of the button, `place` (`beside`), `size` (`wide`),
   *     `cancelText`.
   */
  constructor(texts, {title, build, send, sendText, tone = 'accent', place = null, size = null, cancelText = texts.t('form.cancel')}) {
    this.texts = texts;
    this.send = send;
    this.result = null;
    this.error = el('p', {class: 'error', role: 'alert'});
    this.sendButton = el('button', {class: 'button', type: 'submit', data: {tone}}, sendText);
    const heading = el('h2', {id: 'dialog-title', text: title});
    this.form = el('form', {class: 'dialog-form', novalidate: true, on: {submit: (event) => this.submit(event)}});
    this.element = el('dialog', {aria: {labelledby: 'dialog-title'}}, this.form);
    if (place) this.element.dataset.place = place;
    if (size) this.element.dataset.size = size;
    const buttons = el('div', {class: 'dialog-buttons'},
      cancelText && el('button', {class: 'button', type: 'button', on: {click: () => this.close(null)}}, cancelText), this.sendButton);
    put(this.form, heading, build(this), this.error, buttons);
  }

  /** Show it. @returns {Promise<*>} the result, null where it was cancelled. */
  open() {
    document.body.append(this.element);
    return new Promise((resolve) => {
      this.element.addEventListener('close', () => {
        this.element.remove();
        resolve(this.result);
      });
      this.element.showModal();
    });
  }

  close(result) {
    this.result = result;
    this.element.close();
  }

  /** Say what is missing, at the field where it is missing. */
  complain(text, field = null) {
    say(this.error, text);
    if (field) {
      field.setAttribute('aria-invalid', 'true');
      field.focus();
    }
  }

  async submit(event) {
    event.preventDefault();
    if (this.sendButton.disabled) return;
    this.error.textContent = '';
    for (const field of this.form.querySelectorAll('[aria-invalid]')) field.removeAttribute('aria-invalid');
    this.sendButton.disabled = true;
    try {
      const result = await this.send(this);
      if (result !== null) this.close(result);
    } catch (error) {
      this.complain(error.message || this.texts.t('notice.no_answer'));
    } finally {
      this.sendButton.disabled = false;
    }
  }
}

/** Ask before something that cannot be taken back. @returns {Promise<boolean>} */
export async function confirmed(texts, title, text, sendText) {
  const dialog = new FormDialog(texts, {title, sendText, tone: 'refer', build: () => el('p', {text}), send: () => true});
  return (await dialog.open()) === true;
}

/** A labelled field. */
export function field(label, control, hint = null) {
  return el('label', {class: 'field'}, el('span', {class: 'label', text: label}), control, hint && el('span', {class: 'hint', text: hint}));
}

/** A list to choose from: pairs of value and text. */
export function select(options, value = '', more = {}) {
  const control = el('select', more, options.map(([key, text]) => el('option', {value: key, text})));
  control.value = value;
  return control;
}
