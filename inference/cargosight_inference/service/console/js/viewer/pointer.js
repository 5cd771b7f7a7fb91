/**
 * The pointer on the picture: dragging pans, the right button sets the window, the wheel zooms.
 */

const CLICK = 4; // CSS pixels within which a press and its end are a click
const WHEEL = 400; // pixels of the wheel that double the zoom
const LINE = 20; // pixels of a wheel's line
const WINDOW_DRAG = 250; // CSS pixels of the right button that double the width, or move the level by one

/** Listens to one viewer's pointer. */
export class Pointer {
  /**
   * @param {HTMLElement} surface
   * @param {object} ties
   * @param {import('./tools.js').Tools} ties.tools
   * @param {(at: import('./types.js').Point|null) => void} ties.hover   null where the pointer left
   * @param {(dx: number, dy: number) => void} ties.pan
   * @param {(factor: number, at: import('./types.js').Point) => void} ties.zoom
   * @param {(at: import('./types.js').Point) => void} ties.doubled     a double click
   * @param {(level: number, width: number) => void} ties.window   by how much the level moves and the width grows
   * @param {(index: number) => void} ties.select
   */
  constructor(surface, ties) {
    Object.assign(this, ties);
    this._surface = surface;
    this._drag = null;
    this._listening = new AbortController();
    const {signal} = this._listening;
    const listen = (name, listener, options = {}) => surface.addEventListener(name, listener, {signal, ...options});
    listen('pointerdown', (event) => this._down(event));
    listen('pointermove', (event) => this._move(event));
    listen('pointerup', (event) => this._up(event));
    listen('pointercancel', () => this._end());
    listen('pointerleave', () => this.hover(null));
    listen('contextmenu', (event) => event.preventDefault());
    listen('dblclick', (event) => {
      if (this.tools.tool === null && !event.target.closest('[data-index]')) {
        this.doubled(this._at(event));
      }
    });
    listen('wheel', (event) => this._wheel(event), {passive: false});
  }

  close() {
    this._listening.abort();
  }

  _at({clientX, clientY}) {
    const {left, top} = this._surface.getBoundingClientRect();
    return {x: clientX - left, y: clientY - top};
  }

  _down(event) {
    if (this._drag !== null || event.button > 2) {
      return;
    }
    const at = this._at(event);
    const index = event.target.closest('[data-index]')?.dataset.index;
    const uses = {0: this.tools.tool === null ? 'pan' : 'tool', 1: 'pan', 2: 'window'};
    this._drag = {use: uses[event.button], id: event.pointerId, from: at, last: at, far: false, index};
    this._surface.setPointerCapture(event.pointerId);
    if (this._drag.use === 'tool' && !this.tools.isHalfway) {
      this.tools.press(at);
      this._drag.first = true;
    }
    if (event.button === 1) {
      event.preventDefault(); // no automatic scrolling
    }
  }

  _move(event) {
    const at = this._at(event);
    this.hover(at);
    this.tools.move(at);
    const drag = this._drag;
    if (drag === null || drag.id !== event.pointerId) {
      return;
    }
    drag.far ||= Math.hypot(at.x - drag.from.x, at.y - drag.from.y) > CLICK;
    if (!drag.far) {
      return;
    }
    const [dx, dy] = [at.x - drag.last.x, at.y - drag.last.y];
    drag.last = at;
    if (drag.use === 'pan') {
      this._surface.classList.add('viewer-panning');
      this.pan(dx, dy);
    } else if (drag.use === 'window') {
      this.window(dy / WINDOW_DRAG, 2 ** (dx / WINDOW_DRAG));
    }
  }

  _up(event) {
    const drag = this._drag;
    if (drag === null || drag.id !== event.pointerId) {
      return;
    }
    this._end();
    if (drag.use === 'tool') {
      // A drag sets both points; a click sets one.
      if (this.tools.isHalfway && (drag.far || !drag.first)) {
        this.tools.press(this._at(event));
      }
    } else if (drag.use === 'pan' && !drag.far && drag.index !== undefined) {
      this.select(Number(drag.index));
    }
  }

  _end() {
    this._drag = null;
    this._surface.classList.remove('viewer-panning');
  }

  _wheel(event) {
    event.preventDefault();
    const pixels = event.deltaY * {0: 1, 1: LINE, 2: 800}[event.deltaMode];
    this.zoom(2 ** (-pixels / WHEEL), this._at(event));
  }
}
