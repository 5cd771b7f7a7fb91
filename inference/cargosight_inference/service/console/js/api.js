/** The service's REST interface: every request of the console goes through here. */

const ROOT = '/api/v1';
const PATIENCE_MS = 15000;
const LONG_PATIENCE_MS = 300000; // a model is loaded, warmed up and tested before the answer comes

/** The service refused; `message` is its sentence, `code` its short word. */
export class ApiError extends Error {
  constructor(status, code, message, retryAfter = null) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may succeed later. */
  get passing() {
    return this.status === 429 || this.status >= 500 || this.status === 408;
  }
}

/** No answer came: nothing is known of what the service did. */
export class NoAnswer extends Error {
  constructor() {
    super('');
    this.name = 'NoAnswer';
  }

  get passing() {
    return true;
  }
}

export class Api extends EventTarget {
  constructor() {
    super();
    this.csrf = '';
    this.account = null;
  }

  /** The address of a path of the interface; `query` entries that are null or empty are left out. */
  static address(path, query = {}) {
    const pairs = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== '');
    const text = new URLSearchParams(pairs).toString();
    return `${ROOT}${path}${text ? `?${text}` : ''}`;
  }

  /** GET JSON. */
  async get(path, query = {}, signal = null) {
    return this.fetch(Api.address(path, query), 'json', {}, signal);
  }

  /** GET bytes. @returns {Promise<ArrayBuffer>} */
  async bytes(path, signal = null) {
    return this.fetch(Api.address(path), 'arrayBuffer', {cache: 'default'}, signal);
  }

  /** Nobody is signed in any more. */
  forget() {
    this.csrf = '';
    this.account = null;
  }

  /** Send JSON; a session that the same person has renewed in another window is taken up once. */
  async send(method, path, body = {}, signal = null, patience = PATIENCE_MS) {
    const {account} = this;
    try {
      return await this.sendOnce(method, path, body, signal, patience);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 403 || path === '/login') throw error;
      const {csrf} = this;
      const me = await this.get('/me');
      if (me.name !== account || account !== this.account) {
        // What one person did is never sent in another's name, nor after that person has left this page.
        if (this.account !== null) this.dispatchEvent(new CustomEvent('other-account', {detail: me.name}));
        throw new ApiError(401, 'other_account', error.message);
      }
      this.takeUp(me);
      if (this.csrf === csrf) throw error;
      return this.sendOnce(method, path, body, signal, patience);
    }
  }

  /** Put another engine into a lane. @returns {Promise<object>} the lane's model now. */
  putEngine(lane, body) {
    return this.send('PUT', `/lanes/${lane}/engine`, body, null, LONG_PATIENCE_MS);
  }

  /** What keeps the service from being ready, and what should be seen to all the same; a sentence each. */
  async health(signal) {
    const answer = await fetch('/health/ready', {cache: 'no-store', signal});
    const told = await answer.json();
    return {problems: told.problems ?? (answer.ok ? [] : [told.error?.message ?? '']), warnings: told.warnings ?? []};
  }

  post(path, body = {}, signal = null) {
    return this.send('POST', path, body, signal);
  }

  /** Send what outlives the page; nobody hears the answer. */
  postLast(path, body) {
    const headers = {'Content-Type': 'application/json', 'X-CSRF-Token': this.csrf};
    fetch(Api.address(path), {method: 'POST', credentials: 'same-origin', keepalive: true, headers, body: JSON.stringify(body)}).catch(() => {});
  }

  /** Who is signed in; keeps the token that sending needs. */
  async me() {
    const me = await this.get('/me');
    this.takeUp(me);
    return me;
  }

  takeUp({csrf, name}) {
    this.csrf = csrf;
    this.account = name;
  }

  async sendOnce(method, path, body, signal, patience) {
    const headers = {'Content-Type': 'application/json', 'X-CSRF-Token': this.csrf};
    const text = await this.fetch(Api.address(path), 'text', {method, headers, body: JSON.stringify(body)}, signal, patience);
    return text ? JSON.parse(text) : null;
  }

  /** Fetch and read to the end by `read`; what breaks off before the end is no answer. */
  async fetch(address, read, options, signal, patience = PATIENCE_MS) {
    const waiting = AbortSignal.timeout(patience);
    const either = signal ? AbortSignal.any([signal, waiting]) : waiting;
    try {
      const answer = await fetch(address, {cache: 'no-store', credentials: 'same-origin', ...options, signal: either});
      if (answer.ok) return await answer[read]();
      throw await this.refusal(answer, address);
    } catch (error) {
      if (error instanceof ApiError || signal?.aborted) throw error;
      throw new NoAnswer();
    }
  }

  async refusal(answer, address) {
    let told = {};
    try {
      told = (await answer.json()).error ?? {};
    } catch {
      told = {};
    }
    const error = new ApiError(answer.status, told.code ?? '', told.message ?? '', Number(answer.headers.get('Retry-After')) || null);
    if (answer.status === 401 && !address.endsWith('/login')) this.dispatchEvent(new Event('signed-out'));
    if (error.code === 'password_change_needed') this.dispatchEvent(new Event('password-change-needed'));
    return error;
  }
}

/** A new id of a request, also where the page has no secure context. */
export function requestId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
