/** A scan without a graphics card: the picture as the service draws it for reports, and a sentence why it is not the usual one. */

import {Api} from './api.js';
import {el, outside, say} from './dom.js';

export class PlainPicture {
  /**
   * @param {object} app
   * @param {string} why the viewer's sentence.
   * @param {function} onAppeared the picture, or the word that there is none, is in sight.
   */
  constructor(app, why, onAppeared) {
    this.app = app;
    this.onAppeared = onAppeared;
    this.shown = '';
    this.image = el('img', {alt: '', hidden: true, on: {load: () => this.loaded(), error: () => this.failed()}});
    this.state = el('p');
    this.element = el('figure', {class: 'plain-picture'}, this.image, el('figcaption', {class: 'small'}, el('p', null, outside(why)), this.state));
  }

  /**
   * Show a scan with the latest inspection, which the service draws only once there is one.
   * @param {object} detail as the service tells it.
   */
  show({id, inspection}) {
    if (inspection === null) {
      this.word('plain.coming');
      return;
    }
    const shown = `${id} ${inspection.id}`;
    if (this.shown === shown) return;
    this.shown = shown;
    this.word('plain.coming');
    this.image.alt = this.app.t('report.picture_alt', {count: inspection.findings.length});
    this.image.src = Api.address(`/scans/${id}/overlay.png`, {inspection: inspection.id});
  }

  clear() {
    this.shown = '';
    this.image.hidden = true;
    this.image.removeAttribute('src');
    this.word(null);
  }

  loaded() {
    this.image.hidden = false;
    this.word('plain.drawn');
    this.onAppeared();
  }

  failed() {
    if (this.shown === '') return;
    this.shown = ''; // it is asked for again with what is told next
    this.image.hidden = true;
    this.word('report.no_picture');
    this.onAppeared();
  }

  word(key) {
    say(this.state, key === null ? '' : this.app.t(key));
  }
}
