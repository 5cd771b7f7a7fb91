/** What stands around every page: where one can go, who one is, how it looks. */

import {FormDialog} from './dialogs.js';
import {el, put} from './dom.js';
import {icon} from './icons.js';
import {ROLE_TEXTS, may} from './roles.js';

export class Shell {
  /** @param {object} app @param {HTMLElement} root */
  constructor(app, root) {
    this.app = app;
    const {t} = app;
    this.bare = false;
    this.main = el('main', {id: 'main', tabindex: -1});
    this.slot = el('div', {class: 'bar-slot'});
    this.nav = el('nav', {class: 'bar-nav', aria: {label: t('shell.pages')}});
    this.account = el('button', {class: 'button', type: 'button', data: {kind: 'quiet'}, on: {click: () => this.settings()}});
    this.themeButton = el('button', {class: 'button', type: 'button', data: {kind: 'sign'}, on: {click: () => app.theme.choose(app.theme.dark ? 'light' : 'dark')}});
    const brand = el('a', {class: 'brand', href: '#/', aria: {label: t('shell.home')}}, el('img', {src: 'favicon.svg', alt: '', width: 24, height: 24}), el('span', {text: 'cargosight'}));
    this.bar = el('header', {class: 'bar'}, brand, this.nav, this.slot, this.themeButton, this.account);
    this.skip = el('a', {class: 'skip', href: '#main', text: t('shell.skip'), on: {click: (event) => {
      event.preventDefault();
      this.main.focus();
    }}});
    put(root, this.skip, this.bar, this.main, app.notices.list, app.notices.voice);
    app.theme.addEventListener('change', () => this.showTheme());
    app.theme.system.addEventListener('change', () => this.showTheme());
    this.showTheme();
  }

  /** Empty the page's place for another page. @returns {HTMLElement} where it is built. */
  begin(page) {
    this.bare = page.bare ?? false;
    this.part = page.part;
    this.bar.hidden = this.bare;
    this.skip.hidden = this.bare;
    this.setSlot(null);
    this.update();
    this.main.className = '';
    return put(this.main);
  }

  /** The focus goes to the page's title, so that those who listen hear where they are. */
  focus() {
    const heading = this.main.querySelector('[autofocus]') ?? this.main.querySelector('h1');
    if (heading?.tagName === 'H1') heading.tabIndex = -1;
    (heading ?? this.main).focus({preventScroll: true});
  }

  /** What the page shows of itself in the bar. */
  setSlot(element) {
    put(this.slot, element);
  }

  /** A page while there is no service yet. */
  waiting(text) {
    this.bar.hidden = true;
    this.main.className = 'sign-in';
    put(this.main, el('p', {class: 'box', role: 'status'}, icon('clock'), el('span', {text})));
  }

  /** Show where this person can go. */
  update() {
    const {me, lanes, t} = this.app;
    if (me === null) return;
    const lane = (item) => [`lane/${encodeURIComponent(item.name)}`, item.title || item.name];
    const pages = lanes.length <= 2 ? lanes.map(lane) : [];
    if (may(me, 'statistics')) pages.push(['supervisor', t('page.supervisor'), 'supervisor']);
    if (may(me, 'engines')) pages.push(['engineer', t('page.engineer'), 'engineer']);
    if (may(me, 'administer')) pages.push(['administrator', t('page.administrator'), 'administrator']);
    pages.push(['help', t('page.help'), 'help']);
    const here = window.location.hash.replace(/^#\//, '');
    put(this.nav, lanes.length > 2 && this.laneList(here), pages.map(([path, text, part]) => el('a', {
      class: 'bar-link', href: `#/${path}`, text, aria: {current: (part ? part === this.part : path === here) ? 'page' : null},
    })));
    put(this.account, icon('person'), el('span', {text: me.name}));
    this.account.setAttribute('aria-label', t('shell.account', {name: me.name, role: t(ROLE_TEXTS[me.role])}));
  }

  laneList(here) {
    const {lanes, t, router} = this.app;
    const list = el('select', {class: 'bar-lanes', aria: {label: t('shell.lanes')}, on: {change: () => router.go(`lane/${encodeURIComponent(list.value)}`)}},
      el('option', {value: '', text: t('shell.choose_lane'), disabled: true}), lanes.map((lane) => el('option', {value: lane.name, text: lane.title || lane.name})));
    list.value = here.startsWith('lane/') ? decodeURIComponent(here.slice(5)) : '';
    return list;
  }

  showTheme() {
    const {theme, t} = this.app;
    put(this.themeButton, icon(theme.dark ? 'sun' : 'moon'));
    const text = t(theme.dark ? 'shell.to_light' : 'shell.to_dark');
    this.themeButton.setAttribute('aria-label', text);
    this.themeButton.title = text;
  }

  /** The person's own settings, and the way out. */
  async settings() {
    const {app} = this;
    const {t, me, theme, keys, texts} = app;
    const themes = [['', t('settings.system')], ['light', t('settings.light')], ['dark', t('settings.dark')]];
    const radios = themes.map(([value, text]) => [el('input', {type: 'radio', name: 'theme', value, checked: (theme.chosen ?? '') === value}), text]);
    const letters = el('input', {type: 'checkbox', name: 'letters', checked: keys.on});
    const dialog = new FormDialog(texts, {
      title: t('settings.title', {name: me.name}),
      sendText: t('settings.done'),
      cancelText: null,
      build: (open) => [
        el('p', {class: 'soft', text: [t(ROLE_TEXTS[me.role]), ...me.lanes].join(' · ')}),
        el('fieldset', {on: {change: () => theme.choose(radios.find(([radio]) => radio.checked)[0].value)}}, el('legend', {text: t('settings.theme')}),
          radios.map(([radio, text]) => el('label', {class: 'choice'}, radio, el('span', {text})))),
        el('label', {class: 'choice', on: {change: () => keys.turn(letters.checked)}}, letters, el('span', {text: t('settings.letters')})),
        el('div', {class: 'dialog-buttons'},
          el('button', {class: 'button', type: 'button', text: t('page.password'), on: {click: () => open.close('password')}}),
          el('button', {class: 'button', type: 'button', on: {click: () => open.close('leave')}}, icon('leave'), t('settings.leave'))),
      ],
      send: () => 'done',
    });
    const result = await dialog.open();
    if (result === 'password') app.router.go('password');
    if (result === 'leave') app.leave();
  }
}
