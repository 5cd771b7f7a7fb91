/**
 * The elements of a viewer in their host, and how many device pixels they have.
 */

import {shape, show} from './shapes.js';

const LOUPE_SHARE = 0.36; // of the shorter side of the view
const LOUPE_LEAST = 140; // CSS pixels across
const LOUPE_MOST = 340;
const RING = [['#000', 7], ['#fff', 4], ['#000', 1]];

let made = 0; // masks are named within the whole document

/** What a viewer is drawn on. */
export class Stage {
  /**
   * @param {HTMLElement} host
   * @param {string} name             of the picture, for those who listen
   * @param {() => void} resized
   */
  constructor(host, name, resized) {
    made += 1;
    const mask = `viewer-mask-${made}`;
    this.host = host;
    this.root = document.createElement('div');
    this.root.className = 'viewer';
    this.root.tabIndex = 0;
    this.root.setAttribute('role', 'application'); // its keys are its own
    this.root.setAttribute('aria-label', name);
    this.canvas = document.createElement('canvas');
    this.canvas.className = 'viewer-canvas';
    this._hole = shape('circle', {fill: '#000'});
    const everything = {x: 0, y: 0, width: '100%', height: '100%'};
    this.boxes = shape('g');
    this.tools = shape('g');
    this._ring = shape('g', {class: 'viewer-loupe'}, RING.map(([stroke, width]) => (
      shape('circle', {fill: 'none', stroke, 'stroke-width': width}))));
    const cover = shape('mask', {id: mask, maskUnits: 'userSpaceOnUse', ...everything}, [
      shape('rect', {...everything, fill: '#fff'}), this._hole,
    ]);
    this._masked = shape('g', {}, [this.boxes]);
    this._mask = `url(#${mask})`;
    this.svg = shape('svg', {class: 'viewer-overlay', 'aria-hidden': 'true'}, [cover, this._masked, this._ring, this.tools]);
    this.problem = document.createElement('p');
    this.problem.className = 'viewer-problem';
    this.problem.hidden = true;
    this.root.append(this.canvas, this.svg, this.problem);
    host.append(this.root);
    this.setLoupe(null);
    this._watch(resized);
  }

  /** Size in CSS pixels and device pixels of one of them. */
  get size() {
    const {ratio} = this;
    return {width: this.canvas.width / ratio, height: this.canvas.height / ratio, ratio};
  }

  /** Whether it is in a page and has a place there. */
  get isInSight() {
    return this.canvas.width > 1 && this.canvas.height > 1;
  }

  get ratio() {
    return window.devicePixelRatio || 1;
  }

  /** Radius of a loupe that suits the view, in CSS pixels. */
  get loupeRadius() {
    const {width, height} = this.size;
    return Math.min(LOUPE_MOST, Math.max(LOUPE_LEAST, LOUPE_SHARE * Math.min(width, height))) / 2;
  }

  /**
   * Show the loupe's rim, and hide boxes below it, which are not magnified.
   * @param {{x: number, y: number, radius: number}|null} circle in CSS pixels
   */
  setLoupe(circle) {
    show(this._ring, circle !== null);
    if (circle === null) {
      this._masked.removeAttribute('mask');
      return;
    }
    this._masked.setAttribute('mask', this._mask);
    [this._hole, ...this._ring.children].forEach((each) => {
      each.setAttribute('cx', circle.x);
      each.setAttribute('cy', circle.y);
      each.setAttribute('r', circle.radius);
    });
  }

  /** @param {import('./shapes.js').Lettering} lettering */
  setLettering({stroke}) {
    RING.forEach(([, width], depth) => this._ring.children[depth].setAttribute('stroke-width', width * stroke));
  }

  /** @param {string|null} text why there is no picture */
  setProblem(text) {
    this.problem.hidden = text === null;
    this.problem.textContent = text ?? '';
  }

  close() {
    this._observer.disconnect();
    this.root.remove();
  }

  _watch(resized) {
    const measured = (width, height) => {
      if (this.canvas.width !== width || this.canvas.height !== height) {
        this.canvas.width = width;
        this.canvas.height = height;
      }
      resized();
    };
    this._observer = new ResizeObserver(([entry]) => {
      const exact = entry.devicePixelContentBoxSize?.[0];
      const {width, height} = entry.contentRect;
      measured(devicePixels(width * this.ratio, exact?.inlineSize), devicePixels(height * this.ratio, exact?.blockSize));
    });
    const {width, height} = this.root.getBoundingClientRect();
    this.canvas.width = devicePixels(width * this.ratio);
    this.canvas.height = devicePixels(height * this.ratio);
    try {
      this._observer.observe(this.root, {box: 'device-pixel-content-box'});
    } catch (error) {
      if (!(error instanceof TypeError)) {
        throw error;
      }
      this._observer.observe(this.root); // a browser without that box
    }
  }
}

/** A side in device pixels: as the browser counted them, where that agrees with what was computed but for rounding. */
function devicePixels(computed, counted = NaN) {
  return Math.max(1, Math.abs(counted - computed) <= 1 ? counted : Math.round(computed));
}
