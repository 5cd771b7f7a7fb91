/**
 * The graphics card, as far as there is one: a browser may have no WebGL2, and a card may be reset at any time.
 */

import {Renderer} from './renderer.js';

/** The renderer of one viewer and what becomes of it. */
export class Card {
  /**
   * @param {import('./stage.js').Stage} stage
   * @param {object} ties
   * @param {(code: 'no_webgl'|'context_lost', params: object) => string} ties.problem   tells it, and returns the sentence
   * @param {() => void} ties.restored   the card has forgotten everything, and can be used again
   */
  constructor(stage, {problem, restored}) {
    /** @type {Renderer|null} */
    this.renderer = null;
    this._listening = new AbortController();
    const {signal} = this._listening;
    const lost = (event) => {
      event.preventDefault(); // otherwise it is never restored
      stage.setProblem(problem('context_lost', {}));
    };
    const again = () => {
      this.renderer.restore();
      stage.setProblem(null);
      restored();
    };
    stage.canvas.addEventListener('webglcontextlost', lost, {signal});
    stage.canvas.addEventListener('webglcontextrestored', again, {signal});
    try {
      this.renderer = new Renderer(stage.canvas);
    } catch (error) {
      stage.setProblem(problem('no_webgl', {reason: error.message}));
    }
  }

  /** The renderer, where it can draw at present. */
  get usable() {
    return this.renderer === null || this.renderer.isLost ? null : this.renderer;
  }

  close() {
    this._listening.abort();
    this.renderer?.close();
  }
}
