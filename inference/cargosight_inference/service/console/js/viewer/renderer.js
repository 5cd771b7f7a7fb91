/**
 * The picture on the graphics card: tiles go in as whole numbers, filters run once for a tile, and the results are laid on
 * the screen by one matrix.
 */

import {boxOf, coreOf, scaleOf} from './pyramid.js';
import {CONSTANTS} from './filters.js';
import {COVER, MAP, PICTURE, PLACE, PROCESS, ROWS} from './shaders.js';

const MARGIN = 2; // processed pixels around a core, so that its edges are interpolated like its middle
const BLOCKS_FROM = 8; // device pixels of a pixel from which single pixels are shown as squares
const MAP_MODES = {anomaly: 0, opaque: 1, material: 2};
const MAP_COLOURS = {anomaly: [204, 121, 167], opaque: [213, 94, 0], material: [0, 0, 0]};
const HATCH_APART = 9; // CSS pixels
const COLD = 0.1; // of an anomaly map, as in cargosight_inference.overlay
/** Organic, light metal, heavy metal, thin or unknown, opaque, as in scans/material.py. */
const MATERIALS = [[245, 150, 40], [70, 170, 80], [60, 110, 215], [170, 170, 170], [70, 0, 0]];

const UNIFORMS = {
  rows: ['u_tile', 'u_offset', 'u_source', 'u_full', 'u_window', 'u_smooth', 'u_edge', 'u_local'],
  process: ['u_tile', 'u_offset', 'u_source', 'u_full', 'u_window', 'u_smooth', 'u_edge', 'u_local', 'u_sums', 'u_colour',
    'u_strip', 'u_invert', 'u_ratios'],
  picture: ['u_matrix', 'u_box', 'u_part', 'u_circle', 'u_picture'],
  map: ['u_matrix', 'u_box', 'u_part', 'u_circle', 'u_map', 'u_mode', 'u_strength', 'u_scale', 'u_apart', 'u_colour',
    'u_materials', 'u_cold'],
};

/**
 * @typedef {object} Layer          A map of an inspection, to be drawn over the picture.
 * @property {'anomaly'|'opaque'|'material'} name
 * @property {Uint8Array} cells
 * @property {import('./types.js').MapSize} size
 * @property {number} strength      0 to 1
 * @property {import('./types.js').Box} box   the part of the image that it is drawn over
 */

/** One canvas with its context. */
export class Renderer {
  /**
   * @param {HTMLCanvasElement} canvas
   * @throws {Error} there is no WebGL2
   */
  constructor(canvas) {
    const wishes = {alpha: true, antialias: false, depth: false, stencil: false, preserveDrawingBuffer: false};
    const gl = canvas.getContext('webgl2', wishes);
    if (gl === null) {
      throw new Error('no context');
    }
    this._gl = gl;
    this._canvas = canvas;
    this._maps = new Map();
    this.restore();
  }

  get isLost() {
    return this._gl.isContextLost();
  }

  /** Make everything that does not belong to a tile; also after the context was lost. */
  restore() {
    const gl = this._gl;
    this._maps.clear();
    this._programs = {
      rows: link(gl, COVER, ROWS, UNIFORMS.rows),
      process: link(gl, COVER, PROCESS, UNIFORMS.process),
      picture: link(gl, PLACE, PICTURE, UNIFORMS.picture),
      map: link(gl, PLACE, MAP, UNIFORMS.map),
    };
    this._frame = gl.createFramebuffer();
    /** @type {{texture: WebGLTexture, width: number}|null} */
    this._sums = null;
    gl.bindVertexArray(gl.createVertexArray());
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.disable(gl.DITHER);
    gl.blendFuncSeparate(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA, gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    // Around the picture the canvas is clear, and the page's own ground is seen.
    this._ground = makeTexture(gl, gl.RGBA8, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  }

  /** Begin a frame. */
  clear() {
    const gl = this._gl;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, this._canvas.width, this._canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
  }

  /**
   * Have a tile's filters computed, if they are not already. The standard image is kept beside the filtered one, so that
   * letting go of a key costs nothing.
   * @param {import('./tilestore.js').Tile} tile
   * @param {import('./types.js').Description} description
   * @param {import('./filters.js').Settings} settings
   * @param {boolean} isStandard
   */
  prepare(tile, description, settings, isStandard) {
    tile.card ??= {raw: this._upload(tile, description), standard: null, filtered: null};
    const slot = isStandard ? 'standard' : 'filtered';
    if (tile.card[slot]?.key !== settings.key) {
      const {width, height} = processedSize(description, tile);
      const gl = this._gl;
      const texture = tile.card[slot]?.texture ?? makeTexture(gl, gl.RGBA8, width, height, gl.RGBA, gl.UNSIGNED_BYTE, null);
      tile.card[slot] = {key: settings.key, texture};
      this._process(tile, description, settings, texture, width, height);
    }
    const processed = 4 * tile.width * tile.height;
    tile.onCard = tile.values.byteLength + (tile.card.standard ? processed : 0) + (tile.card.filtered ? processed : 0);
    tile.card.shown = tile.card[slot].texture;
  }

  /**
   * Lay prepared tiles and maps on the screen.
   * @param {object} scene
   * @param {import('./tilestore.js').Tile[]} scene.tiles        the coarsest first
   * @param {import('./types.js').Description} scene.description
   * @param {import('./camera.js').Matrix} scene.matrix          to CSS pixels
   * @param {number} scene.ratio                                 device pixels of a CSS pixel
   * @param {number} scene.unit                                  by how much lines are wider than on a small screen
   * @param {Layer[]} scene.layers
   * @param {{x: number, y: number, radius: number}|null} scene.circle   in CSS pixels; draw only inside
   */
  draw({tiles, description, matrix, ratio, unit, layers, circle}) {
    const gl = this._gl;
    const scale = Math.hypot(matrix.a, matrix.b) * ratio;
    const place = {clip: this._clipMatrix(matrix, ratio), circle: this._circle(circle, ratio)};
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, this._canvas.width, this._canvas.height);
    const {program, at} = this._programs.picture;
    gl.useProgram(program);
    gl.activeTexture(gl.TEXTURE0);
    gl.uniform1i(at.u_picture, 0);
    if (circle !== null) {
      const everything = [-1e6, -1e6, 1e6, 1e6];
      gl.bindTexture(gl.TEXTURE_2D, this._ground);
      this._rectangle(at, place, everything, [0, 0, 1, 1]);
    }
    for (const tile of tiles) {
      const box = boxOf(description, tile);
      const {width, height} = processedSize(description, tile);
      const step = scaleOf(tile.level);
      const [right, bottom] = [(box[2] - box[0]) / step, (box[3] - box[1]) / step];
      gl.bindTexture(gl.TEXTURE_2D, tile.card.shown);
      setFilter(gl, isSharp(scale * step) ? gl.NEAREST : gl.LINEAR);
      const part = [MARGIN / width, MARGIN / height, (MARGIN + right) / width, (MARGIN + bottom) / height];
      this._rectangle(at, place, box, part);
    }
    layers.forEach((layer) => this._drawLayer(layer, place, scale, ratio * unit));
  }

  /**
   * Read what was drawn in this very turn.
   * @param {number} x device pixels from the left
   * @param {number} y device pixels from the top
   * @param {number} width
   * @param {number} height
   * @returns {Uint8Array} RGBA, the upper row first
   */
  read(x, y, width, height) {
    const gl = this._gl;
    const upsideDown = new Uint8Array(4 * width * height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.readPixels(x, this._canvas.height - y - height, width, height, gl.RGBA, gl.UNSIGNED_BYTE, upsideDown);
    const pixels = new Uint8Array(upsideDown.length);
    for (let row = 0; row < height; row += 1) {
      const from = 4 * width * (height - 1 - row);
      pixels.set(upsideDown.subarray(from, from + 4 * width), 4 * width * row);
    }
    return pixels;
  }

  /**
   * Free what a tile has on the card.
   * @param {import('./tilestore.js').Tile} tile
   */
  letGo(tile) {
    if (tile.card !== null) {
      [tile.card.raw, tile.card.standard?.texture, tile.card.filtered?.texture].forEach((texture) => {
        this._gl.deleteTexture(texture ?? null);
      });
    }
    tile.card = null;
    tile.onCard = 0;
  }

  /** Free the maps: those of another inspection come. */
  letMapsGo() {
    this._maps.forEach((texture) => this._gl.deleteTexture(texture));
    this._maps.clear();
  }

  /** Give the context back at once: browsers allow few of them. */
  close() {
    this._gl.getExtension('WEBGL_lose_context')?.loseContext();
  }

  _upload(tile, {type, channels}) {
    const gl = this._gl;
    const wide = type === 'uint16';
    const number = wide ? gl.UNSIGNED_SHORT : gl.UNSIGNED_BYTE;
    const [inner, outer] = {
      1: [wide ? gl.R16UI : gl.R8UI, gl.RED_INTEGER],
      2: [wide ? gl.RG16UI : gl.RG8UI, gl.RG_INTEGER],
      3: [wide ? gl.RGB16UI : gl.RGB8UI, gl.RGB_INTEGER],
    }[channels];
    const texture = makeTexture(gl, inner, tile.width, tile.height, outer, number, tile.values);
    setFilter(gl, gl.NEAREST); // whole numbers are not interpolated
    return texture;
  }

  _process(tile, description, settings, texture, width, height) {
    const gl = this._gl;
    const {colour, strip, edge, local} = settings;
    const smooth = settings.smooth && (colour === 1 || strip > 0);
    const begin = ({program, at}, target, rows) => {
      gl.bindFramebuffer(gl.FRAMEBUFFER, this._frame);
      gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, target, 0);
      gl.viewport(0, 0, width, height + 2 * rows);
      gl.useProgram(program);
      const offset = description.apron - MARGIN;
      gl.uniform1i(at.u_tile, 0);
      gl.uniform2i(at.u_offset, offset, offset - rows);
      gl.uniform1f(at.u_full, description.type === 'uint16' ? 65535 : 255);
      gl.uniform2f(at.u_window, settings.low, 1 / (settings.high - settings.low));
      setWhole(gl, at, {source: settings.source, smooth, edge, local});
    };
    gl.activeTexture(gl.TEXTURE1);
    const sums = this._sumsTexture(description);
    gl.bindTexture(gl.TEXTURE_2D, null); // drawn into first
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, tile.card.raw);
    if (smooth || edge || local) {
      begin(this._programs.rows, sums, CONSTANTS.reach);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    }
    const {at} = this._programs.process;
    begin(this._programs.process, texture, 0);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, sums);
    gl.uniform1i(at.u_sums, 1);
    gl.uniform3f(at.u_ratios, settings.scale.organic, settings.scale.mixed, settings.scale.metal);
    setWhole(gl, at, {colour, strip, invert: settings.invert});
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.activeTexture(gl.TEXTURE0);
  }

  /** One for all tiles, as large as the largest needs. */
  _sumsTexture(description) {
    const gl = this._gl;
    const width = description.tile + 2 * MARGIN;
    if (this._sums?.width !== width) {
      gl.deleteTexture(this._sums?.texture ?? null);
      const height = width + 2 * CONSTANTS.reach;
      const texture = makeTexture(gl, gl.RGBA32UI, width, height, gl.RGBA_INTEGER, gl.UNSIGNED_INT, null);
      setFilter(gl, gl.NEAREST);
      this._sums = {texture, width};
    }
    return this._sums.texture;
  }

  _drawLayer(layer, place, scale, unit) {
    const gl = this._gl;
    const {program, at} = this._programs.map;
    const {width, height, cell} = layer.size;
    if (!this._maps.has(layer.name)) {
      this._maps.set(layer.name, makeTexture(gl, gl.R8, width, height, gl.RED, gl.UNSIGNED_BYTE, layer.cells));
    }
    gl.useProgram(program);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this._maps.get(layer.name));
    setFilter(gl, layer.name === 'anomaly' ? gl.LINEAR : gl.NEAREST);
    gl.uniform1i(at.u_map, 0);
    gl.uniform1i(at.u_mode, MAP_MODES[layer.name]);
    gl.uniform1f(at.u_strength, layer.strength);
    gl.uniform1f(at.u_scale, scale);
    gl.uniform1f(at.u_apart, HATCH_APART * unit);
    gl.uniform1f(at.u_cold, COLD);
    gl.uniform3fv(at.u_colour, MAP_COLOURS[layer.name].map((value) => value / 255));
    gl.uniform3fv(at.u_materials, MATERIALS.flat().map((value) => value / 255));
    const across = width * cell;
    const down = height * cell;
    const [x1, y1, x2, y2] = layer.box;
    gl.enable(gl.BLEND);
    this._rectangle(at, place, layer.box, [x1 / across, y1 / down, x2 / across, y2 / down]);
    gl.disable(gl.BLEND);
  }

  _rectangle(at, place, box, part) {
    const gl = this._gl;
    gl.uniformMatrix3fv(at.u_matrix, false, place.clip);
    gl.uniform3fv(at.u_circle, place.circle);
    gl.uniform4fv(at.u_box, box);
    gl.uniform4fv(at.u_part, part);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }

  /** From image coordinates to clip space, by columns. */
  _clipMatrix({a, b, c, d, e, f}, ratio) {
    const x = (2 * ratio) / this._canvas.width;
    const y = (-2 * ratio) / this._canvas.height;
    return [a * x, b * y, 0, c * x, d * y, 0, e * x - 1, f * y + 1, 1];
  }

  _circle(circle, ratio) {
    return circle === null ? [0, 0, 0] : [circle.x * ratio, this._canvas.height - circle.y * ratio, circle.radius * ratio];
  }
}

function processedSize(description, tile) {
  const core = coreOf(description, tile);
  return {width: core.width + 2 * MARGIN, height: core.height + 2 * MARGIN};
}

/** Whole pixels on whole device pixels need no interpolation, and large ones are to be told apart. */
function isSharp(scale) {
  return scale >= BLOCKS_FROM || Math.abs(scale - 1) < 1e-6;
}

function makeTexture(gl, inner, width, height, outer, type, values) {
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texImage2D(gl.TEXTURE_2D, 0, inner, width, height, 0, outer, type, values);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  setFilter(gl, gl.LINEAR);
  return texture;
}

function setWhole(gl, at, values) {
  for (const [name, value] of Object.entries(values)) {
    gl.uniform1i(at[`u_${name}`], Number(value));
  }
}

function setFilter(gl, filter) {
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, filter);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, filter);
}

function link(gl, vertex, fragment, names) {
  const program = gl.createProgram();
  for (const [type, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
    gl.deleteShader(shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    const logs = gl.getAttachedShaders(program).map((shader) => gl.getShaderInfoLog(shader));
    throw new Error(`a shader does not compile: ${[...logs, gl.getProgramInfoLog(program)].filter(Boolean).join('; ')}`);
  }
  return {program, at: Object.fromEntries(names.map((name) => [name, gl.getUniformLocation(program, name)]))};
}
