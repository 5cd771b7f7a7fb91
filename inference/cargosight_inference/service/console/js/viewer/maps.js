/**
 * The maps of an inspection, fetched when they are to be shown.
 */

/** Fetches the maps of one inspection after another. */
export class MapLoader {
  /**
   * @param {object} ties
   * @param {import('./types.js').ViewerOptions['fetchMap']} ties.fetchMap
   * @param {(name: string, cells: Uint8Array) => void} ties.arrived
   * @param {(reason: string) => void} ties.failed
   */
  constructor({fetchMap, arrived, failed}) {
    Object.assign(this, {_fetchMap: fetchMap, _arrived: arrived, _failed: failed});
    this.begin(null, null);
  }

  /**
   * Turn to another inspection; what is on its way of the last one is cancelled.
   * @param {any} scanId
   * @param {import('./types.js').Inspection|null} inspection
   */
  begin(scanId, inspection) {
    this._loads?.abort();
    this._loads = new AbortController();
    Object.assign(this, {_scanId: scanId, _inspection: inspection});
    this._asked = new Set();
  }

  /**
   * Fetch a map, once; none where no picture is shown that it would lie over.
   * @param {string} name
   * @returns {Promise<void>} after it arrived or failed
   */
  async load(name) {
    if (this._scanId === null || this._asked.has(name)) {
      return;
    }
    this._asked.add(name);
    const {signal} = this._loads;
    const {_inspection: inspection} = this;
    try {
      const cells = new Uint8Array(await this._fetchMap(this._scanId, inspection.id, name, signal));
      if (signal.aborted) {
        return;
      }
      const {width, height} = inspection.maps[name];
      if (cells.length !== width * height) {
        throw new RangeError(`a map of ${cells.length} cells; expected ${width} x ${height}`);
      }
      this._arrived(name, cells);
    } catch (error) {
      if (!signal.aborted) {
        this._asked.delete(name);
        this._failed(error.message);
      }
    }
  }
}
