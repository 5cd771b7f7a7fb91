/** Tells the other tabs and windows of this browser who has signed in or out: they share one session. */

const CHANNEL = 'cargosight-session';

export class SessionLink {
  /**
   * @param {object} told `onIn(name)` somebody is signed in; `onOut(name, onPurpose)` that person's session is over, on
   *     purpose where the person has signed out.
   */
  constructor(told) {
    this.channel = new BroadcastChannel(CHANNEL);
    this.channel.addEventListener('message', ({data}) => {
      if (data.kind === 'in') told.onIn(data.name);
      else if (data.kind === 'out') told.onOut(data.name, data.onPurpose);
    });
    // A page that the browser has put away and brings back by "Back" has heard nothing meanwhile.
    window.addEventListener('pageshow', (event) => {
      if (event.persisted) window.location.reload();
    });
  }

  /** @param {string} name who is signed in here. */
  tellIn(name) {
    this.channel.postMessage({kind: 'in', name});
  }

  /** @param {string} name whose session is over. @param {boolean} onPurpose */
  tellOut(name, onPurpose) {
    this.channel.postMessage({kind: 'out', name, onPurpose});
  }
}
