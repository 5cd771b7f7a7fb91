/**
 * The shapes that the viewer and the pages around it hand to each other. Nothing runs here.
 *
 * One coordinate rule holds everywhere: image coordinates are scan pixels with the upper left corner of pixel (0, 0) at
 * (0, 0), x to the right, y downwards; screen coordinates are CSS pixels from the upper left corner of the host element.
 * A box is [x1, y1, x2, y2] in image coordinates.
 *
 * @typedef {[number, number, number, number]} Box
 *
 * @typedef {object} Description    What GET picture answers.
 * @property {number} width         in pixels
 * @property {number} height        in pixels
 * @property {'transmission'|'display_grey'|'pseudocolour'} kind
 * @property {1|2|3} channels       channel 0 of transmission is the more penetrating energy
 * @property {'uint16'|'uint8'} type
 * @property {string} subject       baggage, cargo or unknown
 * @property {number} tile          side of a tile's core in pixels
 * @property {number} apron         pixels around the core
 * @property {{width: number, height: number, columns: number, rows: number}[]} levels   finest first
 * @property {[number, number]|null} pixel_pitch_mm
 * @property {number[]|null} energies_mv
 * @property {{material: string, transmission: number[], g_cm2: number[]}|null} areal_density
 *
 * @typedef {object} Finding
 * @property {string} label
 * @property {'item'|'anomaly'|'dense'|'declared'} kind
 * @property {number} score         in [0, 1]
 * @property {Box} box
 *
 * @typedef {{width: number, height: number, cell: number}} MapSize   cells across and down, and pixels of a cell's side
 *
 * @typedef {object} Inspection     The Inspection of the API; only what the viewer reads is named.
 * @property {number|string} id
 * @property {Finding[]} findings   by falling score
 * @property {Finding[]|null} [below_threshold]   that a lower threshold would give, by falling score; null where not kept
 * @property {number|null} [below_floor]   score from which on all of them are there
 * @property {Object<string, number>} thresholds   by class, in the order of the model's classes
 * @property {Box[]} opaque_regions
 * @property {Box|null} cargo_box
 * @property {Object<string, MapSize>} maps   of anomaly, opaque and material those that exist
 *
 * @typedef {object} Mark           What an operator said of a finding, or a box that he drew.
 * @property {number|string} inspection
 * @property {number|null} finding  index into the inspection's findings
 * @property {'confirmed'|'rejected'|'drawn'} verdict
 * @property {string} label
 * @property {Box|null} box
 *
 * @typedef {{x: number, y: number}} Point
 *
 * @typedef {object} ViewerOptions
 * @property {(scanId: any, level: number, column: number, row: number, signal: AbortSignal) => Promise<ArrayBuffer>}
 *     fetchTile
 * @property {(scanId: any, inspectionId: any, name: string, signal: AbortSignal) => Promise<ArrayBuffer>} fetchMap
 * @property {(key: string, params?: object) => string} t
 * @property {(name: string, detail: object) => void} onEvent
 * @property {number} [cacheBytes]  of tiles, in memory and on the graphics card together
 * @property {EventTarget} [keyTarget]  where keys are listened for, by default the document
 */

export {};
