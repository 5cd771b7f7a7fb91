/**
 * From image coordinates to the screen and back: one matrix and its inverse.
 */

export const MOST_ZOOM = 64;
const FIT_MARGIN = 12; // CSS pixels around a picture that fits

/**
 * @typedef {{a: number, b: number, c: number, d: number, e: number, f: number}} Matrix
 *   x' = a x + c y + e and y' = b x + d y + f, as in canvas and SVG.
 */

/**
 * Apply a matrix to a point.
 * @param {Matrix} m
 * @param {number} x
 * @param {number} y
 * @returns {import('./types.js').Point}
 */
export function apply(m, x, y) {
  return {x: m.a * x + m.c * y + m.e, y: m.b * x + m.d * y + m.f};
}

/**
 * Return the inverse of a matrix.
 * @param {Matrix} m
 * @returns {Matrix}
 */
export function inverse(m) {
  const det = m.a * m.d - m.b * m.c;
  const [a, b, c, d] = [m.d / det, -m.b / det, -m.c / det, m.a / det];
  return {a, b, c, d, e: -(a * m.e + c * m.f), f: -(b * m.e + d * m.f)};
}

/**
 * Return the upright rectangle around a box after a matrix.
 * @param {Matrix} m
 * @param {import('./types.js').Box} box
 * @returns {import('./types.js').Box}
 */
export function boxAfter(m, [x1, y1, x2, y2]) {
  const p = apply(m, x1, y1);
  const q = apply(m, x2, y2);
  return [Math.min(p.x, q.x), Math.min(p.y, q.y), Math.max(p.x, q.x), Math.max(p.y, q.y)];
}

/** Which part of the picture is seen, how large and which way up. */
export class Camera {
  constructor() {
    this.image = {width: 1, height: 1};
    /** Size of the host in CSS pixels. */
    this.view = {width: 1, height: 1};
    /** Device pixels of a CSS pixel. */
    this.ratio = 1;
    /** Image coordinates of what is in the middle of the view. */
    this.x = 0.5;
    this.y = 0.5;
    /** Device pixels of an image pixel. */
    this.zoom = 1;
    /** Whether the picture fits and goes on fitting when the view changes its size. */
    this.fitted = true;
    this._turn = [1, 0, 0, 1]; // orthonormal: a quarter turn, mirrored or not
  }

  /**
   * Begin with a new picture: upright and fitting.
   * @param {number} width
   * @param {number} height
   */
  setImage(width, height) {
    this.image = {width, height};
    this._turn = [1, 0, 0, 1];
    this.fit();
  }

  /**
   * Say how large the host is.
   * @param {number} width in CSS pixels
   * @param {number} height in CSS pixels
   * @param {number} ratio device pixels of a CSS pixel
   */
  setView(width, height, ratio) {
    const kept = this.zoom * (ratio / this.ratio);
    this.view = {width: Math.max(width, 1), height: Math.max(height, 1)};
    this.ratio = ratio;
    if (this.fitted) {
      this.fit();
    } else {
      this._setZoom(kept);
    }
  }

  /** Zoom at which the picture fits. */
  get fitZoom() {
    const [a] = this._turn;
    const {width, height} = this.image;
    const [across, down] = a === 0 ? [height, width] : [width, height];
    const roomX = Math.max(this.view.width - 2 * FIT_MARGIN, 1);
    const roomY = Math.max(this.view.height - 2 * FIT_MARGIN, 1);
    return Math.min(MOST_ZOOM, this.ratio * Math.min(roomX / across, roomY / down));
  }

  get leastZoom() {
    return 0.5 * Math.min(1, this.fitZoom);
  }

  get isMirrored() {
    const [a, b, c, d] = this._turn;
    return a * d - b * c < 0;
  }

  /** Degrees clockwise, 0 to 270; what is mirrored was mirrored left and right after it was turned. */
  get rotation() {
    const [a, b] = this._turn;
    return (Math.round((Math.atan2(b, this.isMirrored ? -a : a) * 180) / Math.PI) + 360) % 360;
  }

  fit() {
    this.zoom = this.fitZoom;
    this.x = this.image.width / 2;
    this.y = this.image.height / 2;
    this.fitted = true;
  }

  /**
   * Show one image pixel on one device pixel.
   * @param {import('./types.js').Point} [at] what stays where it is, in CSS pixels; the middle by default
   */
  oneToOne(at) {
    this.zoomBy(1 / this.zoom, at);
  }

  /**
   * Zoom about a point of the screen.
   * @param {number} factor above 1 comes nearer
   * @param {import('./types.js').Point} [at] in CSS pixels; the middle by default
   */
  zoomBy(factor, at = {x: this.view.width / 2, y: this.view.height / 2}) {
    const before = apply(inverse(this._exactMatrix()), at.x, at.y);
    this._setZoom(this.zoom * factor);
    const after = apply(inverse(this._exactMatrix()), at.x, at.y);
    this._moveTo(this.x + before.x - after.x, this.y + before.y - after.y);
    this.fitted = false;
  }

  /**
   * Move the picture over the screen.
   * @param {number} dx in CSS pixels, to the right
   * @param {number} dy in CSS pixels, downwards
   */
  pan(dx, dy) {
    const [a, b, c, d] = this._turn;
    const scale = this.ratio / this.zoom;
    this._moveTo(this.x - scale * (a * dx + b * dy), this.y - scale * (c * dx + d * dy));
    this.fitted = false;
  }

  /**
   * Move as little as needed so that a box is seen, and out if it is too large.
   * @param {import('./types.js').Box} box
   * @param {number} margin in CSS pixels
   */
  reveal(box, margin) {
    const [x1, y1, x2, y2] = boxAfter(this.matrix(), box);
    const {width, height} = this.view;
    const shrink = Math.min((width - 2 * margin) / (x2 - x1), (height - 2 * margin) / (y2 - y1));
    if (shrink < 1) {
      this._setZoom(Math.max(this.zoom * shrink, Math.min(this.zoom, this.fitZoom)));
      this._moveTo((box[0] + box[2]) / 2, (box[1] + box[3]) / 2);
      this.fitted = false;
      return;
    }
    const dx = Math.max(margin - x1, 0) + Math.min(width - margin - x2, 0);
    const dy = Math.max(margin - y1, 0) + Math.min(height - margin - y2, 0);
    if (dx !== 0 || dy !== 0) {
      this.pan(dx, dy);
    }
  }

  /**
   * Turn the picture about the middle of the view.
   * @param {90|-90} degrees clockwise as seen
   */
  rotate(degrees) {
    this._orient(degrees > 0 ? [0, 1, -1, 0] : [0, -1, 1, 0]);
  }

  /**
   * Mirror the picture as seen.
   * @param {'x'|'y'} axis x swaps left and right, y swaps up and down
   */
  flip(axis) {
    this._orient(axis === 'x' ? [-1, 0, 0, 1] : [1, 0, 0, -1]);
  }

  /**
   * Return the matrix from image coordinates to CSS pixels.
   *
   * Its origin lies on a whole device pixel, so that at 1:1 every image pixel fills exactly one device pixel.
   * @returns {Matrix}
   */
  matrix() {
    const m = this._exactMatrix();
    m.e = Math.round(m.e * this.ratio) / this.ratio;
    m.f = Math.round(m.f * this.ratio) / this.ratio;
    return m;
  }

  /**
   * Return the matrix of a magnifier that shows the same place under the pointer, nearer.
   * @param {import('./types.js').Point} at in CSS pixels
   * @param {number} factor
   * @returns {Matrix}
   */
  magnified(at, factor) {
    const m = this.matrix();
    const k = Math.min(factor, Math.max(1, MOST_ZOOM / this.zoom));
    const near = {a: k * m.a, b: k * m.b, c: k * m.c, d: k * m.d, e: 0, f: 0};
    const snap = (value) => Math.round(value * this.ratio) / this.ratio;
    near.e = snap(at.x + k * (m.e - at.x));
    near.f = snap(at.y + k * (m.f - at.y));
    return near;
  }

  /**
   * @param {number} x image coordinates
   * @param {number} y image coordinates
   * @returns {import('./types.js').Point} in CSS pixels
   */
  toScreen(x, y) {
    return apply(this.matrix(), x, y);
  }

  /**
   * @param {number} x in CSS pixels
   * @param {number} y in CSS pixels
   * @returns {import('./types.js').Point} image coordinates
   */
  toImage(x, y) {
    return apply(inverse(this.matrix()), x, y);
  }

  /** The part of the image that is seen, image coordinates; it may reach beyond the image. */
  get seen() {
    return boxAfter(inverse(this.matrix()), [0, 0, this.view.width, this.view.height]);
  }

  _exactMatrix() {
    const [ta, tb, tc, td] = this._turn;
    const scale = this.zoom / this.ratio;
    const [a, b, c, d] = [scale * ta, scale * tb, scale * tc, scale * td];
    const e = this.view.width / 2 - (a * this.x + c * this.y);
    const f = this.view.height / 2 - (b * this.x + d * this.y);
    return {a, b, c, d, e, f};
  }

  _orient([ra, rb, rc, rd]) {
    const [a, b, c, d] = this._turn;
    // Adding 0 turns a negative zero into a plain one.
    this._turn = [ra * a + rc * b, rb * a + rd * b, ra * c + rc * d, rb * c + rd * d].map((value) => value + 0);
    if (this.fitted) {
      this.fit();
    }
  }

  _setZoom(zoom) {
    this.zoom = Math.min(MOST_ZOOM, Math.max(this.leastZoom, zoom));
  }

  _moveTo(x, y) {
    this.x = Math.min(this.image.width, Math.max(0, x));
    this.y = Math.min(this.image.height, Math.max(0, y));
  }
}
