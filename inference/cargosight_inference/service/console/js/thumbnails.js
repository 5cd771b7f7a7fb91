/** Small pictures of scans for the strip, made of the coarsest tile as the standard image. */

import {el} from './dom.js';
import {CONSTANTS, isColouredStandard} from './viewer/filters.js';

const MOST = 80;
const AT_ONCE = 2;
const LONG_SIDE = 240;
const FULL = 65535;

export class Thumbnails {
  /** @param {Pictures} pictures */
  constructor(pictures) {
    this.pictures = pictures;
    this.made = new Map();
    this.waiting = [];
    this.busy = 0;
  }

  /** A canvas that shows the scan as soon as its tile is there; the same element each time. */
  of(scan) {
    const known = this.made.get(scan);
    if (known) return known;
    const canvas = el('canvas', {class: 'thumbnail', width: 4, height: 3, aria: {hidden: true}});
    this.made.set(scan, canvas);
    if (this.made.size > MOST) this.made.delete(this.made.keys().next().value);
    this.waiting.push([scan, canvas]);
    this.work();
    return canvas;
  }

  /** Try again for a scan whose picture was not there yet. */
  renew(scan) {
    const canvas = this.made.get(scan);
    if (canvas && !canvas.dataset.drawn) {
      this.waiting.push([scan, canvas]);
      this.work();
    }
  }

  async work() {
    if (this.busy >= AT_ONCE || !this.waiting.length) return;
    const [scan, canvas] = this.waiting.shift();
    this.busy += 1;
    try {
      const description = await this.pictures.description(scan);
      const level = description.levels.length - 1;
      draw(canvas, description, description.levels[level], await this.pictures.tile(scan, level, 0, 0, null));
      canvas.dataset.drawn = 'yes';
    } catch {
      canvas.dataset.missing = 'yes';
    }
    this.busy -= 1;
    this.work();
  }
}

/** The standard image of transmission: three decades fill black to white. */
function logarithmic(value) {
  return 255 * (1 + Math.log10(Math.max(value, 1) / FULL) / CONSTANTS.decades);
}

const ramp = (value, from, to) => Math.min(1, Math.max(0, (value - from) / (to - from)));

/** The standard image of a bag at two energies: the pseudo-colour that js/viewer/filters.js defines. */
function pseudocolour(high, low, colours) {
  const {exponents: [orange, green, blue], kilovolt, floor, thin, black, clear} = CONSTANTS;
  const depths = [high, low].map((value) => -Math.log(Math.min(1, Math.max(value / FULL, floor))));
  const ratio = (depths[1] + thin * kilovolt.organic) / (depths[0] + thin);
  const mixed = ramp(ratio, kilovolt.organic, kilovolt.mixed);
  const metal = ramp(ratio, kilovolt.mixed, kilovolt.metal);
  const depth = (depths[0] + depths[1]) / 2;
  const lit = 255 * ramp(Math.exp(-depths[0]), black, clear);
  for (let colour = 0; colour < 3; colour += 1) {
    const exponent = orange[colour] + mixed * (green[colour] - orange[colour]) + metal * (blue[colour] - green[colour]);
    colours[colour] = lit * Math.exp(-depth * exponent);
  }
}

/** What turns the values of a pixel into red, green and blue. */
function painter(description) {
  if (isColouredStandard(description)) return (values, from, colours) => pseudocolour(values[from], values[from + 1], colours);
  if (description.kind === 'pseudocolour') {
    return (values, from, colours) => {
      for (let colour = 0; colour < 3; colour += 1) colours[colour] = values[from + colour];
    };
  }
  const tone = description.kind === 'transmission' ? logarithmic : (value) => value;
  return (values, from, colours) => colours.fill(tone(values[from]));
}

/** Draw a level's first tile, thinned to the size of a thumbnail. */
function draw(canvas, description, size, buffer) {
  const {apron, tile, channels} = description;
  const width = Math.min(size.width, tile);
  const height = Math.min(size.height, tile);
  const step = Math.max(1, Math.round(Math.max(width, height) / LONG_SIDE));
  const values = description.type === 'uint16' ? new Uint16Array(buffer) : new Uint8Array(buffer);
  const paint = painter(description);
  canvas.width = Math.max(1, Math.floor(width / step));
  canvas.height = Math.max(1, Math.floor(height / step));
  const context = canvas.getContext('2d');
  const image = context.createImageData(canvas.width, canvas.height);
  const colours = [0, 0, 0];
  for (let y = 0, to = 0; y < canvas.height; y += 1) {
    for (let x = 0; x < canvas.width; x += 1, to += 4) {
      paint(values, ((apron + y * step) * (width + 2 * apron) + apron + x * step) * channels, colours);
      image.data.set(colours, to);
      image.data[to + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}
