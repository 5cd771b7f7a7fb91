/**
 * What is shown over the picture, and what of it is hidden: findings, marks of operators, maps of an inspection.
 */

import {colourOf} from './palette.js';

const MAP_STRENGTH = {opaque: 0.9, material: 0.45};

/**
 * @typedef {object} OverlayState
 * @property {boolean} visible      whether anything is shown
 * @property {boolean} latched      whether it is hidden to stay
 * @property {boolean} heat
 * @property {number} opacity       of the heat at its fullest, 0 to 1
 * @property {boolean} opaque
 * @property {boolean} material
 * @property {number|null} threshold   one for all classes in the place of the inspection's, null for those
 * @property {string[]} hiddenClasses
 * @property {number|null} selected index of a finding
 * @property {number[]} shown       indices of the findings that are shown
 * @property {number|string|null} inspection   id of what is shown
 * @property {number[]} wouldAlarm  indices of what lies below the inspection's thresholds, and not below this one
 */

/** The overlay of one viewer; its changes are told to the viewer, which draws. */
export class Overlay {
  /**
   * @param {object} ties
   * @param {import('./types.js').ViewerOptions['t']} ties.t
   * @param {() => void} ties.changed             something is to be drawn anew
   * @param {(finding: object) => void} ties.selected
   * @param {(name: string) => void} ties.mapWanted   a map is to be shown that is not here
   */
  constructor({t, changed, selected, mapWanted}) {
    Object.assign(this, {_t: t, _changed: changed, _selectedEvent: selected, _mapWanted: mapWanted});
    this._shows = {visible: true, held: false, heat: false, opaque: true, material: false};
    this._opacity = 0.5;
    this._threshold = null;
    this._hiddenClasses = new Set();
    this.clear();
  }

  /** Forget the scan; what the operator chose to see stays. */
  clear() {
    this._inspection = null;
    this._marks = [];
    this._selected = null;
    /** @type {Map<string, Uint8Array>} */
    this._maps = new Map();
  }

  /** @param {import('./types.js').Inspection|null} inspection */
  setInspection(inspection) {
    const same = inspection !== null && inspection.id === this._inspection?.id;
    this._inspection = inspection;
    if (!same) {
      this._selected = null;
      this._maps.clear();
    }
    this._wantMaps();
    this._changed();
  }

  /** @param {import('./types.js').Mark[]} marks */
  setMarks(marks) {
    this._marks = marks;
    this._changed();
  }

  /**
   * A map came.
   * @param {string} name
   * @param {Uint8Array} cells
   */
  setMap(name, cells) {
    this._maps.set(name, cells);
    this._changed();
  }

  /** @param {string} name of a map. @returns {boolean} whether the inspection has it */
  hasMap(name) {
    return Boolean(this._inspection?.maps?.[name]);
  }

  /** @returns {OverlayState} */
  get state() {
    const {visible, held, heat, opaque, material} = this._shows;
    return {
      visible: visible && !held, latched: !visible, heat, opaque, material, opacity: this._opacity,
      threshold: this._threshold, hiddenClasses: [...this._hiddenClasses], selected: this._selected,
      inspection: this._inspection?.id ?? null, shown: this._shownIndices(), wouldAlarm: this._belowIndices(),
    };
  }

  get selected() {
    return this._selected;
  }

  /** @param {boolean} on whether anything is shown over the picture */
  setVisible(on) {
    this._shows.visible = on;
    this._changed();
  }

  /** The key that hides goes down. */
  hold() {
    this._shows.held = true;
    this._changed();
  }

  /** The key that hides goes up. */
  release() {
    this._shows.held = false;
    this._changed();
  }

  /** @param {boolean} on whether what is unlike normal cargo is tinted */
  setHeat(on) {
    this._showMap('heat', on);
  }

  /** @param {boolean} on whether what could not be penetrated is hatched */
  setOpaque(on) {
    this._showMap('opaque', on);
  }

  /** @param {boolean} on whether pieces of a load are tinted by their material */
  setMaterial(on) {
    this._showMap('material', on);
  }

  /** @param {number} share of the heat's colour at its fullest, 0 to 1 */
  setOpacity(share) {
    this._opacity = Math.min(1, Math.max(0, share));
    this._changed();
  }

  /**
   * Show which alarms one threshold would give: findings below it are hidden, and what the inspection's thresholds kept
   * out appears, as no finding.
   * @param {number|null} score compared with every score whatever its class, 0 to 1; null for what the inspection found
   */
  setThreshold(score) {
    this._threshold = score;
    this._changed();
  }

  /** @returns {import('./types.js').Finding[]} what would alarm at the threshold, and did not, by falling score */
  get wouldAlarm() {
    return this._belowIndices().map((index) => this._inspection.below_threshold[index]);
  }

  /** @returns {string[]} classes of what is found and of what would alarm at the threshold, those that are hidden too */
  get classes() {
    const {findings = [], below_threshold: below} = this._inspection ?? {};
    const alarming = this._reachingBelow().map((index) => below[index]);
    return [...new Set([...findings, ...alarming].map(({label}) => label))];
  }

  /**
   * @param {string} label
   * @param {boolean} on
   */
  setClassVisible(label, on) {
    this._hiddenClasses[on ? 'delete' : 'add'](label);
    this._changed();
  }

  /**
   * Select a finding, or none.
   * @param {number|null} index
   */
  select(index) {
    const finding = index === null ? null : this._inspection?.findings[index] ?? null;
    this._selected = finding === null ? null : index;
    this._changed();
    const shown = this._shownIndices();
    const params = finding === null ? null : {
      number: shown.indexOf(index) + 1, total: shown.length, label: named(finding.label), score: written(finding.score),
    };
    const text = params === null ? '' : this._t('viewer.finding.selected', params);
    this._selectedEvent({index: this._selected, text, ...(finding ?? {})});
  }

  /** Select the next finding that is shown; after the last comes the first. */
  next() {
    this._step(1);
  }

  /** Select the one before. */
  previous() {
    this._step(-1);
  }

  /** @returns {import('./boxes.js').Item[]} to be drawn, the most important first */
  get items() {
    if (!this.state.visible) {
      return [];
    }
    const classes = Object.keys(this._inspection?.thresholds ?? {});
    const items = this._shownIndices().map((index) => this._itemOf(index, classes));
    items.sort((one, other) => Number(other.selected) - Number(one.selected));
    this._marks.forEach(({verdict, box, label}, number) => {
      if (verdict === 'drawn' && box !== null && !this._hiddenClasses.has(label)) {
        const text = this._t('viewer.finding.drawn', {label: named(label)});
        const colour = colourOf('drawn', label, classes);
        items.push({id: `mark ${number}`, index: null, box, text, kind: 'drawn', colour, verdict: null, selected: false});
      }
    });
    items.push(...this._belowIndices().map((index) => this._belowItem(index, classes)));
    return items;
  }

  /**
   * @param {import('./types.js').Description} description
   * @returns {import('./renderer.js').Layer[]} maps to be drawn
   */
  layers(description) {
    const {visible, heat, opaque, material} = this.state;
    const whole = [0, 0, description.width, description.height];
    const load = this._inspection?.cargo_box ?? whole;
    const wanted = [
      [material, 'material', whole, MAP_STRENGTH.material],
      [heat, 'anomaly', whole, this._opacity],
      [opaque, 'opaque', load, MAP_STRENGTH.opaque],
    ];
    return wanted.filter(([on, name]) => visible && on && this._maps.has(name)).map(([, name, box, strength]) => (
      {name, cells: this._maps.get(name), size: this._inspection.maps[name], strength, box}));
  }

  _itemOf(index, classes) {
    const {label, kind, score, box} = this._inspection.findings[index];
    const verdict = this._verdictOf(index);
    const key = verdict === null ? 'viewer.finding.plain' : `viewer.finding.${verdict}`;
    return {
      id: `finding ${index}`, index, box, kind, verdict, colour: colourOf(kind, label, classes),
      text: this._t(key, {label: named(label), score: written(score)}), selected: index === this._selected,
    };
  }

  /** No finding: it cannot be selected, confirmed or rejected. */
  _belowItem(index, classes) {
    const {label, score, box} = this._inspection.below_threshold[index];
    return {
      id: `below ${index}`, index: null, box, kind: 'below', verdict: null, colour: colourOf('below', label, classes),
      text: this._t('viewer.finding.below', {label: named(label), score: written(score)}), selected: false,
    };
  }

  /** The last word of an operator on a finding. */
  _verdictOf(index) {
    const marks = this._marks.filter((mark) => mark.finding === index && mark.inspection === this._inspection.id);
    const verdict = marks.at(-1)?.verdict;
    return verdict === 'confirmed' || verdict === 'rejected' ? verdict : null;
  }

  _shownIndices() {
    const findings = this._inspection?.findings;
    return this._visible(findings, reaching(findings, this._threshold ?? 0));
  }

  _belowIndices() {
    return this._visible(this._inspection?.below_threshold, this._reachingBelow());
  }

  /** Indices of what would alarm at the threshold, whether its class is hidden or not. */
  _reachingBelow() {
    return this._threshold === null ? [] : reaching(this._inspection?.below_threshold, this._threshold);
  }

  _visible(findings, indices) {
    return indices.filter((index) => !this._hiddenClasses.has(findings[index].label));
  }

  _step(direction) {
    const shown = this._shownIndices();
    if (shown.length === 0) {
      return;
    }
    const at = shown.indexOf(this._selected);
    const first = direction > 0 ? 0 : shown.length - 1;
    this.select(at < 0 ? shown[first] : shown[(at + direction + shown.length) % shown.length]);
  }

  _showMap(name, on) {
    this._shows[name] = on;
    this._wantMaps();
    this._changed();
  }

  _wantMaps() {
    const maps = this._inspection?.maps ?? {};
    for (const [name, key] of [['anomaly', 'heat'], ['opaque', 'opaque'], ['material', 'material']]) {
      if (this._shows[key] && maps[name] && !this._maps.has(name)) {
        this._mapWanted(name);
      }
    }
  }
}

function reaching(findings, threshold) {
  return (findings ?? []).flatMap(({score}, index) => (score >= threshold ? [index] : []));
}

function named(label) {
  return (label ?? '').replaceAll('_', ' ');
}

/** Two digits, rounded as the reasons of the advice are. */
function written(score) {
  return score.toFixed(2);
}
