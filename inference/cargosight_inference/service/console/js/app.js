/** What every page is given: the service, the texts, who is signed in; and which page is open. */

import {Api} from './api.js';
import {Journal} from './journal.js';
import {Keys} from './keys.js';
import {Notices} from './notices.js';
import {Outbox} from './outbox.js';
import {openAdministrator} from './pages/administrator.js';
import {openEngineer} from './pages/engineer.js';
import {openHelp} from './pages/help.js';
import {openLane} from './pages/lane.js';
import {openReport} from './pages/report.js';
import {openScan} from './pages/scan.js';
import {openScreen} from './pages/screen.js';
import {openPassword, openSignIn} from './pages/sign_in.js';
import {openSupervisor} from './pages/supervisor.js';
import {Pictures} from './pictures.js';
import {may} from './roles.js';
import {Router} from './router.js';
import {Shell} from './shell.js';
import {Theme} from './theme.js';

const AGAIN_MS = 2000;

/** Pages by address: what opens them, the text of their title, the right they need. */
const ROUTES = [
  [/^$/, {open: null}],
  [/^lane\/([^/]+)$/, {open: openLane, title: 'page.lane', part: 'lane'}],
  [/^screen\/([^/]+)$/, {open: openScreen, title: 'page.screen', part: 'screen'}],
  [/^scan\/(\d+)$/, {open: openScan, title: 'page.picture', part: 'supervisor'}],
  [/^report\/(\d+)$/, {open: openReport, title: 'page.report', part: 'supervisor'}],
  [/^supervisor(?:\/(referrals|rates|search))?$/, {open: openSupervisor, title: 'page.supervisor', part: 'supervisor', right: 'statistics'}],
  [/^engineer$/, {open: openEngineer, title: 'page.engineer', part: 'engineer', right: 'engines'}],
  [/^administrator(?:\/(accounts|tokens|audit))?$/, {open: openAdministrator, title: 'page.administrator', part: 'administrator', right: 'administer'}],
  [/^password$/, {open: openPassword, title: 'page.password', part: ''}],
  [/^help$/, {open: openHelp, title: 'page.help', part: 'help'}],
];

export class App {
  /** @param {Texts} texts */
  constructor(texts) {
    this.texts = texts;
    this.t = texts.t;
    this.api = new Api();
    this.theme = new Theme();
    this.notices = new Notices(texts);
    this.outbox = new Outbox(this.api);
    this.journal = new Journal(this.api);
    this.pictures = new Pictures(this.api);
    this.keys = new Keys();
    this.me = null;
    this.oneTime = '';
    this.undoable = null;
    this.lanes = [];
    this.shell = new Shell(this, document.getElementById('app'));
    this.router = new Router(ROUTES, (page, parts) => this.open(page, parts));
    this.api.addEventListener('signed-out', () => this.signedOut());
    this.api.addEventListener('password-change-needed', () => this.showPassword());
    this.keys.bind({'?': () => this.router.go('help')}, new AbortController().signal);
    window.addEventListener('beforeunload', (event) => {
      if (this.outbox.pending.length) event.preventDefault();
    });
  }

  /** Begin with whoever is signed in. */
  async start() {
    document.documentElement.lang = this.texts.language;
    for (;;) {
      try {
        await this.signedIn(await this.api.me());
        return;
      } catch (error) {
        if (!error.passing) {
          this.signedOut();
          return;
        }
        this.shell.waiting(this.t('start.no_service'));
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  }

  /** A person has signed in. */
  async signedIn(me) {
    this.me = me;
    if (me.must_change_password) {
      this.showPassword();
      return;
    }
    this.lanes = await this.api.get('/lanes');
    this.outbox.setAccount(me.name);
    this.journal.setAccount(me.name);
    this.shell.update();
    this.router.follow();
  }

  /** The session is over; what is unsaved stays, and is sent when the person is back. */
  signedOut() {
    if (this.me === null && this.shell.bare) return;
    this.outbox.setAccount(null);
    this.show({open: openSignIn, title: 'page.sign_in', part: '', bare: true}, []);
    this.me = null;
    this.undoable = null;
    this.pictures = new Pictures(this.api);
    this.journal.setAccount(null);
  }

  /** Sign out on purpose. */
  async leave() {
    try {
      await this.api.post('/logout');
    } catch (error) {
      if (error.status !== 401) {
        this.notices.problem(error);
        return;
      }
    }
    this.signedOut();
  }

  showPassword() {
    if (this.page?.open === openPassword && this.page.bare) return;
    this.show({open: openPassword, title: 'page.password', part: '', bare: true}, []);
  }

  /** Open the page of an address, or the one that a person begins with. */
  open(page, parts) {
    if (this.me === null || this.me.must_change_password) return;
    if (page.open === null || (page.right && !may(this.me, page.right))) {
      this.router.go(this.home());
      return;
    }
    this.show(page, parts);
  }

  /** Where a person's work begins. */
  home() {
    if (this.me.role === 'administrator') return 'administrator';
    if (this.me.role === 'engineer') return 'engineer';
    const first = this.lanes[0];
    return first ? `lane/${encodeURIComponent(first.name)}` : 'help';
  }

  show(page, parts) {
    for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
    this.closing?.abort();
    this.close?.();
    this.closing = new AbortController();
    this.page = page;
    document.title = [this.t(page.title), parts[0], 'cargosight'].filter(Boolean).join(' · ');
    const host = this.shell.begin(page);
    this.close = page.open(this, host, parts, this.closing.signal) ?? null;
    this.shell.focus();
  }
}
