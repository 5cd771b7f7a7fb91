/** What every page is given: the service, the texts, who is signed in; and which page is open. */

import {Api} from './api.js';
import {confirmed} from './dialogs.js';
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
import {SessionLink} from './session_link.js';
import {Shell} from './shell.js';
import {Theme} from './theme.js';

const AGAIN_MS = 2000;
const LEAVING_WAITS_MS = 2000; // for what was looked at to be recorded

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
    this.journal = new Journal(this.api);
    this.outbox = new Outbox(this.api, this.journal);
    this.pictures = new Pictures(this.api);
    this.keys = new Keys();
    this.me = null;
    this.was = null;
    this.why = null;
    this.oneTime = '';
    this.undoable = null;
    this.lanes = [];
    this.shell = new Shell(this, document.getElementById('app'));
    this.router = new Router(ROUTES, (page, parts) => this.open(page, parts));
    this.link = new SessionLink({onIn: (name) => this.othersIn(name), onOut: (name, onPurpose) => this.othersOut(name, onPurpose)});
    window.addEventListener('pagehide', () => this.journal.lastWords());
    this.api.addEventListener('signed-out', () => this.sessionEnded());
    this.api.addEventListener('other-account', ({detail}) => this.othersIn(detail));
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
          this.signedOut(null);
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
    this.was = me.name;
    this.link.tellIn(me.name);
    if (me.must_change_password) {
      this.showPassword();
      return;
    }
    this.lanes = await this.api.get('/lanes');
    this.journal.setAccount(me.name); // first, since decisions wait for it
    this.outbox.setAccount(me.name);
    this.shell.update();
    this.router.follow();
  }

  /** The service says that the session is over: the other tabs, which share it, are told. */
  sessionEnded() {
    if (this.me !== null) this.link.tellOut(this.me.name, false);
    this.signedOut(this.me && this.t('sign_in.ended'));
  }

  /** Somebody is signed in in another tab: the session of a different person here is over. */
  othersIn(name) {
    if (this.me === null) {
      if (name === this.was && this.page?.open === openSignIn) this.start();
    } else if (this.me.name !== name) this.signedOut(this.t('sign_in.other_account', {name}));
  }

  /** A session is over in another tab. What is unsaved of a person who signed out on purpose is given up here as well. */
  othersOut(name, onPurpose) {
    if (onPurpose) this.outbox.discard(name);
    if (this.me?.name === name) this.signedOut(this.t(onPurpose ? 'sign_in.left_elsewhere' : 'sign_in.ended'));
  }

  /**
   * The session is over; what is unsaved stays, and is sent when the person is back.
   * @param {string|null} why a sentence for the sign-in page.
   */
  signedOut(why) {
    if (this.me === null && this.shell.bare) return;
    this.why = why;
    this.outbox.setAccount(null);
    this.journal.setAccount(null); // before the page closes: what follows is nobody's
    this.notices.clear();
    this.api.forget();
    this.show({open: openSignIn, title: 'page.sign_in', part: '', bare: true}, []);
    this.me = null;
    this.undoable = null;
    this.pictures = new Pictures(this.api);
    if (why) this.notices.announce(why);
  }

  /** Sign out on purpose. */
  async leave() {
    const {name} = this.me;
    const unsaved = this.outbox.pending.length;
    const {t, texts} = this;
    if (unsaved && !(await confirmed(texts, t('settings.leave'), texts.count('settings.unsaved', unsaved), t('settings.leave_anyway')))) return;
    await this.journal.settled(LEAVING_WAITS_MS);
    try {
      await this.api.post('/logout');
    } catch (error) {
      if (error.status !== 401) {
        this.notices.problem(error);
        return;
      }
    }
    this.outbox.discard(name);
    this.link.tellOut(name, true);
    this.signedOut(null);
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
    if ((page.open === openLane || page.open === openScreen) && !this.sees(parts[0])) this.openUnknown(page, parts);
    else this.show(page, parts);
  }

  sees(lane) {
    return this.lanes.some(({name}) => name === lane);
  }

  /** Open the page of a lane that was not there when the person signed in: it may have been added since. */
  async openUnknown(page, parts) {
    const {me} = this;
    const {hash} = window.location;
    let problem = null;
    try {
      this.lanes = await this.api.get('/lanes');
    } catch (error) {
      problem = error;
    }
    if (this.me !== me || window.location.hash !== hash) return;
    this.shell.update();
    if (this.sees(parts[0])) {
      this.show(page, parts);
      return;
    }
    if (problem) this.notices.problem(problem);
    else this.notices.show(this.t('lane.not_yours', {lane: parts[0]}), {tone: 'warn'});
    this.router.go(this.home());
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
