/** Pages by the address behind the #. */

export class Router {
  /** @param {Array<[RegExp, function]>} routes pattern, and what opens the page with the pattern's groups. */
  constructor(routes, open) {
    this.routes = routes;
    this.open = open;
    window.addEventListener('hashchange', () => this.follow());
  }

  /** Open the page of the present address. */
  follow() {
    const path = window.location.hash.replace(/^#\/?/, '');
    for (const [pattern, page] of this.routes) {
      const found = pattern.exec(path);
      if (found) return this.open(page, found.slice(1).map(decoded));
    }
    return this.go('');
  }

  /** Go to a path, or open it anew where it is the present one. */
  go(path) {
    const hash = `#/${path}`;
    if (window.location.hash === hash) this.follow();
    else window.location.hash = hash;
  }
}

/** A part of an address as text; one that is spelled wrongly stays as it is. */
function decoded(part) {
  try {
    return decodeURIComponent(part ?? '');
  } catch {
    return part;
  }
}
