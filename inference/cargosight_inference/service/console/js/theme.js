/** Dark or light: as the system has it, or as was chosen in this browser. */

const KEPT = 'cargosight-theme';
const THEMES = new Set(['light', 'dark']);

export class Theme extends EventTarget {
  constructor(storage = window.localStorage, root = document.documentElement) {
    super();
    this.storage = storage;
    this.root = root;
    this.system = window.matchMedia('(prefers-color-scheme: dark)');
    this.apply(storage.getItem(KEPT));
  }

  /** `light` or `dark` as chosen, null where the system chooses. */
  get chosen() {
    return this.root.dataset.theme ?? null;
  }

  get dark() {
    return this.chosen ? this.chosen === 'dark' : this.system.matches;
  }

  choose(theme) {
    this.apply(theme);
    if (this.chosen) this.storage.setItem(KEPT, this.chosen);
    else this.storage.removeItem(KEPT);
    this.dispatchEvent(new Event('change'));
  }

  apply(theme) {
    if (THEMES.has(theme)) this.root.dataset.theme = theme;
    else delete this.root.dataset.theme;
  }
}
