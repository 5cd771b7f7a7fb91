/**
 * What the keys of the viewer do.
 */

const ZOOM_STEP = Math.SQRT2;
const PAN_STEP = 80; // CSS pixels
const LEVEL_STEP = 0.02;
const WIDTH_STEP = 1.1;

/**
 * Return what keymap.js names.
 * @param {import('./viewer.js').Viewer} viewer
 * @param {import('./filterbank.js').FilterBank} bank
 * @param {(key: string, params?: object) => void} tell   says why a key does nothing
 * @returns {{act: (action: string) => boolean, holdable: (binding: import('./keymap.js').KeyBinding) =>
 *     import('./keyboard.js').Holdable}} act returns false where there is nothing to do
 */
export function actionsOf(viewer, bank, tell) {
  const level = (by) => viewer.setWindow({level: viewer.window.level + by});
  const width = (by) => viewer.setWindow({width: viewer.window.width * by});
  const {overlay} = viewer;
  const map = (name, lacking, toggle) => (
    overlay.hasMap(name) ? toggle() : tell(bank.hasPicture ? lacking : 'viewer.without.picture'));
  const toggled = (tool, start) => (viewer.tool === tool ? viewer.cancelTool() : start());
  const actions = {
    reset: () => viewer.resetFilters(),
    heat: () => map('anomaly', 'viewer.without.heat', () => overlay.setHeat(!overlay.state.heat)),
    opaque: () => map('opaque', 'viewer.without.opaque', () => overlay.setOpaque(!overlay.state.opaque)),
    nextFinding: () => overlay.next(),
    previousFinding: () => overlay.previous(),
    fit: () => viewer.fit(),
    oneToOne: () => viewer.oneToOne(),
    zoomIn: () => viewer.zoomBy(ZOOM_STEP),
    zoomOut: () => viewer.zoomBy(1 / ZOOM_STEP),
    loupe: () => viewer.setLoupe(!viewer.loupe),
    rotateLeft: () => viewer.rotate(-90),
    rotateRight: () => viewer.rotate(90),
    flipX: () => viewer.flip('x'),
    flipY: () => viewer.flip('y'),
    measure: () => toggled('measure', () => viewer.startMeasuring()),
    draw: () => toggled('draw', () => viewer.startDrawing()),
    panLeft: () => viewer.pan(PAN_STEP, 0),
    panRight: () => viewer.pan(-PAN_STEP, 0),
    panUp: () => viewer.pan(0, PAN_STEP),
    panDown: () => viewer.pan(0, -PAN_STEP),
    brighter: () => level(-LEVEL_STEP),
    darker: () => level(LEVEL_STEP),
    softer: () => width(WIDTH_STEP),
    harder: () => width(1 / WIDTH_STEP),
  };
  return {
    act(action) {
      if (action === 'cancel') {
        return viewer.cancelTool();
      }
      actions[action]?.();
      return action in actions;
    },
    holdable({action, argument}) {
      return action === 'filter' ? filterOf(bank, argument, tell) : hidingOf(overlay);
    },
  };
}

function filterOf(bank, name, tell) {
  const state = () => bank.states.find((filter) => filter.name === name);
  return {
    available: () => state()?.available ?? false,
    lacking: () => (bank.hasPicture ? tell('viewer.without.energies', {text: state().text}) : tell('viewer.without.picture')),
    isLatched: () => state().latched,
    hold: () => bank.hold(name),
    release: () => bank.release(name),
    latch: (on) => bank.set(name, on),
  };
}

function hidingOf(overlay) {
  return {
    available: () => true,
    lacking: () => {},
    isLatched: () => overlay.state.latched,
    hold: () => overlay.hold(),
    release: () => overlay.release(),
    latch: (on) => overlay.setVisible(!on),
  };
}
