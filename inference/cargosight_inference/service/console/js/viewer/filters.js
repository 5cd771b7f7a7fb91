/**
 * What every filter does, exactly, as data: the shader computes it, tests repeat it in numpy, pages explain it.
 *
 * The order is fixed. A value is a pixel's number over its full scale: T_c = raw / 65535 of a channel c of transmission
 * (T_0 the more penetrating energy, 1 = air), v = raw / 255 of a vendor's picture.
 *
 * 1. Tone. Transmission: u = 1 + log10(max(T_0, 1 / 65535)) / 3, so that three decades fill 0 to 1. Otherwise u = v, for
 *    each colour of its own. These are the standard images, as `display_pixels` of cargosight_inference.overlay makes them.
 * 2. Window: g = clamp((u - low) / (high - low), 0, 1); low = 0 and high = 1 unless a window is set.
 * 3. Colour. rgb = g; where pseudo-colour is shown, of two energies, it is that of cargosight_inference.scans.pseudocolour:
 *    d_c = -ln(clamp(T_c, 0.0001, 1));  R = (d_1 + 0.02 organic) / (d_0 + 0.02)
 *    mixed = ramp(R, organic, mixed), metal = ramp(R, mixed, metal)
 *    w(d) = max(0, D (1 - ((1 - d / D) - low) / (high - low))) with D = 3 ln 10: the window, on depths
 *    rgb = exp(-w((d_0 + d_1) / 2) (orange + mixed (green - orange) + metal (blue - green)))
 *    lit = ramp(exp(-w(d_0)), 0.004, 0.03);  rgb = rgb lit
 *    ramp(x, a, b) = clamp((x - a) / (b - a), 0, 1). At megavolts one pixel names no material (its noise hides the few
 *    per cent between materials): there the d_c of R, and only they, are means over the offsets of step 4.
 * 4. Local contrast adds (0.5 + 3 (y - M)) - y to every colour, M the mean of y over offsets -8, -6 ... 8 both ways; y is g,
 *    or 0.299 r + 0.587 g + 0.114 b of coloured g.
 * 5. Edge enhancement adds 2 (g - B), B the mean of g weighted by 1 4 6 4 1 both ways; each colour of its own.
 *    The sum of 3, 4 and 5 is clamped to [0, 1].
 * 6. Strips: rgb = mix(0.75 + 0.25 g, rgb, keep). Organic strip: keep = max(mixed, 1 - lit); metal strip: keep = max(1 -
 *    mixed, 1 - lit). What nothing penetrates stays black in both, since nobody knows what it is.
 * 7. Grey: rgb = g in place of pseudo-colour (step 3), or 0.299 r + 0.587 g + 0.114 b of a coloured picture.
 * 8. Invert: rgb = 1 - rgb.
 *
 * Neighbours are pixels of the level that is shown, repeated outside the scan's edge; level 0 is shown from about 1:1 on.
 */

/** Numbers of the definitions above. Those of pseudo-colour are the constants of scans/pseudocolour.py. */
export const CONSTANTS = Object.freeze({
  decades: 3,
  edge: 2,
  local: 3,
  reach: 8,
  step: 2,
  kernel: Object.freeze([1, 4, 6, 4, 1]),
  fade: 0.75,
  luma: Object.freeze([0.299, 0.587, 0.114]),
  floor: 1e-4,
  thin: 0.02,
  black: 0.004,
  clear: 0.03,
  /** Rows orange, green, blue; columns red, green, blue. */
  exponents: Object.freeze([
    Object.freeze([0.25, 0.8, 2.0]),
    Object.freeze([1.6, 0.55, 1.5]),
    Object.freeze([1.9, 1.2, 0.45]),
  ]),
  kilovolt: Object.freeze({organic: 1.3, mixed: 1.63, metal: 2.5}),
  megavolt: Object.freeze({organic: 1.229, mixed: 1.193, metal: 1.148}),
});

/** Tone of the least transmission that 16 bits hold. */
export const LEAST_TONE = 1 - Math.log10(65535) / CONSTANTS.decades;
const LEAST_WIDTH = 0.01;
const STANDARD_WINDOW = Object.freeze({low: 0, high: 1});

/**
 * @typedef {object} Filter
 * @property {string} name
 * @property {string|null} group    of filters of one group the one switched on last holds
 * @property {string} text          message key of its name
 * @property {{colour: Edges, megavolt: Edges, kilovolt: Edges, display: Edges}} [window]   of pseudo-colour; of transmission
 *     in grey, by its energies; of a vendor's picture
 *
 * @typedef {{low: number, high: number}} Edges   tones that are shown black and white
 */

/**
 * The filters in the order in which they are offered.
 *
 * High penetration opens up what is thick and lets what is thin turn white: in grey T from 0.0004 to 0.06 at megavolts, from
 * 0.001 to 0.18 at kilovolts; in pseudo-colour, which darkens long before grey does, depths are cut to less than half.
 * Low penetration gives what is thin its contrast: T from 0.25 to 1, and from 0.09 to 1 at kilovolts and in pseudo-colour.
 * @type {readonly Filter[]}
 */
export const FILTERS = Object.freeze([
  {name: 'high_penetration', group: 'window', window: {
    colour: {low: -1.5, high: 0.75}, megavolt: {low: -0.15, high: 0.6}, kilovolt: {low: 0, high: 0.75},
    display: {low: 0, high: 0.4},
  }},
  {name: 'low_penetration', group: 'window', window: {
    colour: {low: 0.65, high: 1}, megavolt: {low: 0.8, high: 1}, kilovolt: {low: 0.65, high: 1},
    display: {low: 0.5, high: 1},
  }},
  {name: 'edge', group: null},
  {name: 'local_contrast', group: null},
  {name: 'invert', group: null},
  {name: 'pseudocolour', group: null},
  {name: 'grey', group: null},
  {name: 'organic_strip', group: 'strip'},
  {name: 'metal_strip', group: 'strip'},
  {name: 'window', group: 'window'},
].map((filter) => Object.freeze({...filter, text: `viewer.filter.${filter.name}`})));

/**
 * @typedef {object} Settings       What the shader is told.
 * @property {0|1|2|3} source       transmission of one energy, of two, a vendor's grey, a vendor's colours
 * @property {number} low
 * @property {number} high
 * @property {0|1|2} colour         as it is, pseudo-colour, grey of colours
 * @property {0|1|2} strip          none, organic strip, metal strip
 * @property {boolean} edge
 * @property {boolean} local
 * @property {boolean} invert
 * @property {{organic: number, mixed: number, metal: number}} scale
 * @property {boolean} smooth       whether the ratio is read from means
 * @property {string} key           equal settings have equal keys
 */

/**
 * Return whether a picture's standard image is coloured by code: a bag's at two energies.
 * @param {import('./types.js').Description} description
 * @returns {boolean}
 */
export function isColouredStandard(description) {
  return hasTwoEnergies(description) && description.subject !== 'cargo';
}

/**
 * Return whether a filter can be used on a picture.
 * @param {string} name
 * @param {import('./types.js').Description|null} description
 * @returns {boolean}
 */
export function isAvailable(name, description) {
  if (description === null) {
    return false;
  }
  switch (name) {
    case 'pseudocolour':
      return hasTwoEnergies(description) && !isColouredStandard(description);
    case 'grey':
      return description.kind === 'pseudocolour' || isColouredStandard(description);
    case 'organic_strip':
    case 'metal_strip':
      return hasTwoEnergies(description);
    default:
      return true;
  }
}

/**
 * Return a window made possible: no narrower than 16 bits bear, its level on the scale.
 * @param {{level: number, width: number}} window on tones, where 0 is black and 1 white in the standard image
 * @param {import('./types.js').Description|null} description
 * @returns {{low: number, high: number}}
 */
export function windowOf({level, width}, description) {
  const least = description?.kind === 'transmission' ? LEAST_TONE : 0;
  const middle = Math.min(1, Math.max(least, level));
  const half = Math.min(4, Math.max(LEAST_WIDTH, width)) / 2;
  return {low: middle - half, high: middle + half};
}

/**
 * Return the value of a pixel at a tone: transmission, or 0 to 255 of a vendor's picture.
 * @param {number} tone
 * @param {import('./types.js').Description} description
 * @returns {number}
 */
export function valueAtTone(tone, description) {
  return description.kind === 'transmission' ? 10 ** (CONSTANTS.decades * (tone - 1)) : 255 * tone;
}

/**
 * Return what the shader is to be told.
 * @param {import('./types.js').Description} description
 * @param {string[]} active names of the filters in use, the latest last; those that cannot be used are passed over
 * @param {{low: number, high: number}} [window] of the filter `window`
 * @returns {Settings}
 */
export function settingsFor(description, active, window = STANDARD_WINDOW) {
  const used = active.filter((name) => isAvailable(name, description));
  const has = (name) => used.includes(name);
  const latest = (group) => FILTERS.find(({name}) => name === used.findLast((each) => groupOf(each) === group));
  const strip = {organic_strip: 1, metal_strip: 2}[latest('strip')?.name] ?? 0;
  const source = sourceOf(description);
  let colour = isColouredStandard(description) || has('pseudocolour') || strip > 0 ? 1 : 0;
  if (has('grey')) {
    colour = source === 3 ? 2 : 0;
  }
  const megavolts = areMegavolts(description);
  const voltage = megavolts ? 'megavolt' : 'kilovolt';
  const scale = source > 1 ? 'display' : colour === 1 ? 'colour' : voltage;
  const windowing = latest('window');
  const {low, high} = windowing?.window?.[scale] ?? (windowing ? window : STANDARD_WINDOW);
  const settings = {
    source, low, high, colour, strip, smooth: megavolts,
    edge: has('edge'), local: has('local_contrast'), invert: has('invert'),
    scale: CONSTANTS[voltage],
  };
  return Object.freeze({...settings, key: JSON.stringify(settings)});
}

/**
 * Return the group of a filter.
 * @param {string} name
 * @returns {string|null}
 */
export function groupOf(name) {
  return FILTERS.find((filter) => filter.name === name)?.group ?? null;
}

function hasTwoEnergies(description) {
  return description.kind === 'transmission' && description.channels === 2;
}

function sourceOf({kind, channels}) {
  if (kind === 'transmission') {
    return channels === 2 ? 1 : 0;
  }
  return channels === 3 ? 3 : 2;
}

/** Linacs have megavolts; where a scan does not say, cargo is taken to come from one. */
function areMegavolts({energies_mv: energies, subject}) {
  return energies ? Math.max(...energies) >= 1 : subject === 'cargo';
}
