/** The second window on another monitor: it follows the scan that the lane view shows, whichever was opened first. */

const channelOf = (lane) => `cargosight-lane-${lane}`;

/** The lane view's end. */
export class ScreenSource {
  constructor(lane) {
    this.scan = null;
    this.channel = new BroadcastChannel(channelOf(lane));
    this.channel.addEventListener('message', ({data}) => {
      if (data.kind === 'asks') this.tell();
    });
    this.bye = () => this.channel.postMessage({kind: 'leaves'});
    window.addEventListener('pagehide', this.bye);
    this.tell();
  }

  /** Tell which scan is shown, null for none. */
  show(scan) {
    this.scan = scan;
    this.tell();
  }

  tell() {
    this.channel.postMessage({kind: 'shows', scan: this.scan});
  }

  close() {
    this.bye();
    window.removeEventListener('pagehide', this.bye);
    this.channel.close();
  }
}

/** The second screen's end. */
export class ScreenFollower {
  /** @param {object} told `onScan(id|null)`, `onLeft()`. */
  constructor(lane, told) {
    this.channel = new BroadcastChannel(channelOf(lane));
    this.channel.addEventListener('message', ({data}) => {
      if (data.kind === 'shows') told.onScan(data.scan);
      else if (data.kind === 'leaves') told.onLeft();
    });
    this.channel.postMessage({kind: 'asks'});
  }

  close() {
    this.channel.close();
  }
}
