/** The second screen: a window of its own for another monitor, which follows the lane view with a viewer of its own. */

import {el} from '../dom.js';
import {ScanHead} from '../scan_head.js';
import {nameOf} from '../scan_texts.js';
import {ScanView} from '../scan_view.js';
import {ScreenFollower} from '../screen_link.js';

/** Open the page. @returns {function} closes it. */
export function openScreen(app, host, [lane]) {
  const {t} = app;
  app.shell.bar.hidden = true;
  host.className = 'screen';
  const head = new ScanHead(app);
  const view = new ScanView(app, {onDetail: (detail) => head.show(detail, detail)});
  host.append(el('h1', {class: 'hidden-text', text: t('screen.title', {lane})}), view.element, el('aside', {class: 'side', aria: {label: t('lane.side')}}, head.element, view.overlayPanel.element));

  let open = null;
  const nothing = (key) => {
    open = null;
    head.show(null, null);
    view.close(el('p', {class: 'stage-title', text: t(key)}), el('p', {text: t('screen.follows')}));
  };
  const follow = async (id) => {
    if (id === null) return nothing('screen.idle');
    if (id === open) return view.refresh();
    open = id;
    try {
      const scan = await app.api.get(`/scans/${id}`);
      if (open !== id) return null;
      view.open(scan);
      head.show(scan, scan);
      app.notices.announce(t('screen.shows', {name: nameOf(scan)}));
    } catch (error) {
      if (open === id) nothing('screen.idle');
      app.notices.problem(error);
    }
    return null;
  };
  nothing('screen.waiting');
  const follower = new ScreenFollower(lane, {onScan: follow, onLeft: () => nothing('screen.waiting')});
  return () => {
    follower.close();
    view.destroy();
    app.journal.flush();
    app.shell.bar.hidden = false;
  };
}
