/** The buttons around a picture, what is read under the cursor, and which filter is on. */

import {el, put, say} from './dom.js';
import {icon} from './icons.js';
import {KEYMAP} from './viewer/keymap.js';

const SHORT = {
  high_penetration: 'tool.high_penetration',
  low_penetration: 'tool.low_penetration',
  edge: 'tool.edge',
  local_contrast: 'tool.local_contrast',
  invert: 'tool.invert',
  pseudocolour: 'tool.pseudocolour',
  grey: 'tool.grey',
  organic_strip: 'tool.organic_strip',
  metal_strip: 'tool.metal_strip',
};

const TOOLS = [
  ['fit', 'fit', (viewer) => viewer.fit()],
  ['oneToOne', 'one_to_one', (viewer) => viewer.oneToOne()],
  ['zoomIn', 'zoom_in', (viewer) => viewer.zoomBy(Math.SQRT2)],
  ['zoomOut', 'zoom_out', (viewer) => viewer.zoomBy(Math.SQRT1_2)],
  ['rotateLeft', 'rotate_left', (viewer) => viewer.rotate(-90)],
  ['rotateRight', 'rotate_right', (viewer) => viewer.rotate(90)],
  ['flipX', 'flip_x', (viewer) => viewer.flip('x')],
  ['flipY', 'flip_y', (viewer) => viewer.flip('y')],
  ['loupe', 'search', (viewer) => viewer.setLoupe(!viewer.loupe)],
  ['measure', 'measure', (viewer) => (viewer.tool === 'measure' ? viewer.cancelTool() : viewer.startMeasuring())],
];

const bindingOf = (action, argument) => KEYMAP.find((binding) => binding.action === action && binding.argument === argument);

export class ViewerTools {
  /** @param {object} app @param {Viewer} viewer */
  constructor(app, viewer) {
    this.app = app;
    this.viewer = viewer;
    const {t} = app;
    this.filters = el('div', {class: 'tool-row', role: 'toolbar', aria: {label: t('tool.filters')}});
    this.tools = el('div', {class: 'tool-column', role: 'toolbar', aria: {label: t('tool.view'), orientation: 'vertical'}}, TOOLS.map((tool) => this.tool(...tool)));
    this.reading = el('span', {class: 'reading'});
    this.measured = el('span', {class: 'measured', role: 'status'});
    this.zoom = el('span', {class: 'zoom'});
    this.standard = el('span', {class: 'standard', role: 'status'});
    this.readout = el('div', {class: 'readout'}, this.reading, this.measured, this.standard, this.zoom);
    for (const bar of [this.filters, this.tools]) bar.addEventListener('keydown', (event) => roam(event, bar));
    this.reset();
  }

  /** A picture is shown: offer the filters that it has what is needed for. */
  reset() {
    const {t, texts} = this.app;
    const offered = this.viewer.filters.filter(({name, available}) => available && SHORT[name]);
    put(this.filters, offered.map(({name, text}) => el('button', {
      class: 'tool', type: 'button', data: {filter: name}, title: t(text), aria: {pressed: false, label: t(text)},
      on: {click: () => this.viewer.setFilter(name, !this.stateOf(name).on)},
    }, el('kbd', {text: bindingOf('filter', name).keys}), el('span', {text: t(SHORT[name])}))),
    offered.length > 0 && el('button', {class: 'tool', type: 'button', data: {filter: 'none'}, on: {click: () => this.viewer.resetFilters()}},
      el('kbd', {text: bindingOf('reset').keys}), el('span', {text: t('tool.standard')})));
    this.filters.querySelectorAll('button').forEach((button, place) => button.setAttribute('tabindex', place ? -1 : 0));
    this.measured.textContent = '';
    this.reading.textContent = '';
    this.zoom.textContent = '';
    this.showFilters();
    this.tools.hidden = offered.length === 0;
    this.readout.dataset.language = texts.language;
  }

  /** Take up what the viewer tells. */
  heard(name, detail) {
    if (name === 'filter') this.showFilters();
    else if (name === 'cursor') say(this.reading, detail === null ? '' : this.words(detail));
    else if (name === 'measured') say(this.measured, this.length(detail));
    else if (name === 'view') say(this.zoom, detail.level === null ? '' : this.app.texts.percent(detail.zoom));
    else if (name === 'loupe') this.press('loupe', detail.on);
    else if (name === 'tool') this.press('measure', detail.name === 'measure');
  }

  stateOf(name) {
    return this.viewer.filters.find((filter) => filter.name === name);
  }

  /** Which filters are on; the window is one that has no button. */
  showFilters() {
    const {t} = this.app;
    const states = this.viewer.filters;
    for (const button of this.filters.children) {
      const state = states.find(({name}) => name === button.dataset.filter);
      if (state) button.setAttribute('aria-pressed', String(state.on));
    }
    const on = states.filter((state) => state.on).map(({text}) => t(text));
    say(this.standard, on.length ? t('tool.filters_on', {filters: on.join(', ')}) : '');
    this.readout.dataset.filtered = on.length ? 'yes' : 'no';
  }

  /** What stands under the cursor. */
  words({x, y, values, arealDensity, atLeast, material}) {
    const {t, texts} = this.app;
    const parts = [t('reading.place', {x, y})];
    if (values !== null) {
      const transmission = values.every((value) => value <= 1) && arealDensity !== null;
      if (transmission) parts.push(t('reading.transmission', {values: values.map((value) => texts.percent(value, value < 0.1 ? 2 : 1)).join(' / ')}));
      else parts.push(t('reading.values', {values: values.map((value) => (Number.isInteger(value) ? value : texts.number(value, 3))).join(' / ')}));
      if (arealDensity !== null) parts.push(t(atLeast ? 'reading.density_at_least' : 'reading.density', {density: texts.number(arealDensity, 1), material: material ?? ''}));
    }
    return parts.join(' · ');
  }

  length(measured) {
    if (!measured) return '';
    const {t, texts} = this.app;
    const pixels = texts.number(measured.pixels, 1);
    return measured.mm === null ? t('reading.pixels', {pixels}) : t('reading.length', {mm: texts.number(measured.mm, 1), pixels});
  }

  press(action, on) {
    this.tools.querySelector(`[data-action="${action}"]`).setAttribute('aria-pressed', String(on));
  }

  tool(action, sign, run) {
    const binding = bindingOf(action);
    const label = this.app.t(binding.text);
    return el('button', {
      class: 'tool', type: 'button', tabindex: action === 'fit' ? 0 : -1, title: `${label} (${binding.keys})`,
      data: {action}, aria: {label, keyshortcuts: binding.keys, pressed: ['loupe', 'measure'].includes(action) ? false : null}, on: {click: () => run(this.viewer)},
    }, icon(sign));
  }
}

/** Within a toolbar the arrow keys move the focus, so that Tab passes it with one press. */
function roam(event, bar) {
  const steps = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1};
  const step = steps[event.key];
  const buttons = [...bar.querySelectorAll('button')];
  const at = buttons.indexOf(document.activeElement);
  if (!step || at < 0) return;
  event.preventDefault();
  const next = buttons[(at + step + buttons.length) % buttons.length];
  for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
  next.focus();
}
