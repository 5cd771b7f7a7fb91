/** Tables with a caption, and lists that are loaded page by page. */

import {el, put} from './dom.js';

/**
 * A table.
 * @param {string} caption heard by those who listen, and seen where `seen`.
 * @param {Array<{title: string, cell: function, number: boolean}>} columns `cell(row)` gives a node or a text; numbers
 *     stand to the right.
 * @param {object[]} rows
 * @param {object} options `empty`: the text where there are no rows; `seen`: whether the caption is.
 */
export function table(caption, columns, rows, {empty = '', seen = false} = {}) {
  const body = rows.map((row) => el('tr', null, columns.map(({cell, number}, place) => {
    const name = place === 0 ? 'th' : 'td';
    return el(name, {class: number ? 'number' : '', scope: place === 0 ? 'row' : null}, cell(row));
  })));
  if (rows.length === 0) body.push(el('tr', null, el('td', {class: 'soft', colspan: columns.length, text: empty})));
  return el('div', {class: 'table-frame', role: 'region', tabindex: 0, aria: {label: caption}},
    el('table', null, el('caption', {class: seen ? '' : 'hidden-text', text: caption}),
      el('thead', null, el('tr', null, columns.map(({title, number}) => el('th', {scope: 'col', class: number ? 'number' : '', text: title})))),
      el('tbody', null, body)));
}

/**
 * A place in a page that is loaded, and says so while it is and where it could not be.
 * @param {object} app
 * @param {HTMLElement} host
 * @param {function(): Promise<Node|Node[]>} load
 */
export async function loadInto(app, host, load) {
  host.setAttribute('aria-busy', 'true');
  try {
    put(host, await load());
  } catch (error) {
    put(host, el('p', {class: 'box', data: {tone: 'warn'}, role: 'alert', text: error.message || app.t('notice.no_answer')}));
  } finally {
    host.removeAttribute('aria-busy');
  }
}

/** The links between the parts of a page. */
export function parts(app, label, links, here) {
  return el('nav', {class: 'parts', aria: {label}}, links.map(([path, text]) => el('a', {
    class: 'part-link', href: `#/${path}`, text, aria: {current: path === here ? 'page' : null},
  })));
}
