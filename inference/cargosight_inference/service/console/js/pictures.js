/** Where pictures come from: descriptions, tiles and maps, with the next scan's coarse tiles fetched before they are needed. */

const MOST_DESCRIPTIONS = 80;
const MOST_TILES = 24;
const AHEAD_LEVELS = 2;
const AHEAD_TILES = 12;

export class Pictures {
  /** @param {Api} api */
  constructor(api) {
    this.api = api;
    this.descriptions = new Map();
    this.tiles = new Map();
  }

  /** The description of a scan's picture; asked for once. */
  description(scan) {
    return this.once(this.descriptions, MOST_DESCRIPTIONS, scan, () => this.api.get(`/scans/${scan}/picture`));
  }

  /** A tile's bytes. */
  async tile(scan, level, column, row, signal) {
    const ahead = this.tiles.get(`${scan}/${level}/${column}/${row}`);
    if (ahead) return ahead;
    return this.api.bytes(`/scans/${scan}/tiles/${level}/${column}/${row}`, signal);
  }

  /** An inspection's map. */
  map(scan, inspection, name, signal) {
    return this.api.bytes(`/scans/${scan}/inspections/${inspection}/maps/${name}`, signal);
  }

  /** Fetch what the picture of a scan needs to appear; failures are left to the one who opens it. */
  async ahead(scan) {
    try {
      const {levels} = await this.description(scan);
      const wanted = levels.slice(-AHEAD_LEVELS).map((size, index, all) => [size, levels.length - all.length + index]);
      await Promise.all(wanted.flatMap(([size, level]) => this.level(scan, level, size)));
    } catch {
      // It is asked for again when the scan is opened, and told then.
    }
  }

  level(scan, level, {columns, rows}) {
    if (columns * rows > AHEAD_TILES) return [];
    const places = Array.from({length: columns * rows}, (_, place) => [place % columns, Math.floor(place / columns)]);
    return places.map(([column, row]) => this.once(this.tiles, MOST_TILES, `${scan}/${level}/${column}/${row}`,
      () => this.api.bytes(`/scans/${scan}/tiles/${level}/${column}/${row}`)));
  }

  once(kept, most, key, ask) {
    if (!kept.has(key)) {
      const asked = ask();
      kept.set(key, asked);
      asked.catch(() => kept.delete(key));
      if (kept.size > most) kept.delete(kept.keys().next().value);
    }
    return kept.get(key);
  }
}
