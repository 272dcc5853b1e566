// Connection keeps the WebSocket up.

const SUBPROTOCOL = 'chat.v1';
const ATTEMPT_MS = 5_000; // after which the first attempt to connect is given up
const ATTEMPT_TIMES = 3; // as long a later one may take: the network may be that slow
const GRACE_MS = 2_000; // for a socket in doubt, once another one has opened
const STABLE_MS = 5_000; // a connection that lasted so long was a good one

// After these the same would happen again: somebody has to decide.
const FINAL_CODES = new Set([1003, 1008, 1009, 1010]);
const TOKEN_EXPIRED = 4401; // likewise, unless there is another token

/**
 * @typedef {object} Listener
 * @property {() => URL | Promise<URL>} address where to connect
 * @property {() => boolean} renews it will be with another token when one has expired
 * @property {() => void} opened there is a new socket
 * @property {(data: string) => void} received
 * @property {(close: {code: number, reason: string, clean: boolean}) => void} lost once for each
 *   socket that had opened; opened may follow at once, when another one has taken the place of one in doubt
 * @property {() => void} doubted whether anybody answers on the open socket is in doubt
 * @property {() => void} trusted and no more
 * @property {(seconds: number, failures: number) => void} retrying the seconds until the next attempt, 0 during it
 * @property {() => void} stopped it does not come back by itself
 */

/**
 * Connection is a WebSocket that comes back.
 *
 * A socket that is in doubt, because nobody seems to answer, is not given up: it may
 * well come alive again, with all that was on its way. Others are tried beside it, and
 * one that opens takes its place if it stays silent all the same.
 */
export class Connection {
  #listener;
  /** @type {WebSocket | null} */
  #socket = null; // the open one
  /** @type {WebSocket | Asking | null} */
  #attempt = null; // one that is to be opened, or to take the open one's place
  /** @type {string[]} */
  #ahead = []; // what came on that
  #timer = 0; // of the running attempt or the wait for the next one
  #failures = 0; // in a row
  #openedAt = 0;
  #doubted = false;
  #waiting = false;

  // Full jitter: clients of a server that restarts don't come back all together. Each
  // waits for a random part of min, which doubles up to max.
  backoff = { min: 500, max: 15_000 }; // ms; the server may tell others

  /** @param {Listener} listener */
  constructor(listener) {
    this.#listener = listener;
  }

  get open() {
    return this.#socket !== null && this.#socket.readyState === WebSocket.OPEN;
  }

  get doubted() {
    return this.#doubted;
  }

  /**
   * send hands a text to the open socket.
   * @param {string} text
   */
  send(text) {
    this.#socket?.send(text);
  }

  /** connect makes an attempt at once. */
  connect() {
    this.#abandon();
    if (!this.#socket && this.#failures) this.#listener.retrying(0, this.#failures);
    const address = this.#listener.address();
    if (address instanceof URL) this.#dial(address);
    else this.#ask(address);
  }

  /**
   * #ask makes an attempt of which it is not known yet where to.
   * @param {Promise<URL>} address
   */
  #ask(address) {
    const asking = new Asking();
    this.#try(asking);
    address.then((url) => {
      if (asking !== this.#attempt) return;
      this.#abandon();
      this.#dial(url);
    }, () => this.#failed(asking));
  }

  /** @param {URL} url */
  #dial(url) {
    const socket = new WebSocket(url, SUBPROTOCOL);
    socket.onopen = () => this.#opened(socket);
    socket.onclose = () => this.#failed(socket);
    this.#try(socket);
  }

  /**
   * #try gives an attempt its time.
   * @param {WebSocket | Asking} attempt
   */
  #try(attempt) {
    this.#attempt = attempt;
    // Not when it closes: that may take as long again.
    this.#timer = setTimeout(() => this.#failed(attempt), ATTEMPT_MS * Math.min(this.#failures + 1, ATTEMPT_TIMES));
  }

  /** hurry ends a wait for the next attempt: there is reason to believe that it works now. */
  hurry() {
    if (this.#waiting) this.connect();
  }

  /** leave closes the socket of a page that is left, which the browser may keep for its back button. */
  leave() {
    this.#socket?.close(); // comes back by itself with the page
    if (!this.#attempt) return;
    this.#abandon();
    this.#retry();
  }

  /** close ends it: nothing more is told. */
  close() {
    this.#abandon();
    const socket = this.#socket;
    this.#socket = null;
    if (socket) silence(socket).close();
  }

  /** doubt says that nobody seems to answer on the open socket. */
  doubt() {
    if (this.#doubted || !this.open) return;
    this.#doubted = true;
    this.#forgive();
    this.#listener.doubted();
    this.connect();
  }

  /** trust says that somebody does. */
  trust() {
    if (!this.#doubted) return;
    this.#doubted = false;
    this.#abandon();
    this.#listener.trusted();
  }

  /** #forgive forgets the failures before a good connection. */
  #forgive() {
    // A server that accepts and hangs up at once must not be asked again at once for ever.
    if (performance.now() - this.#openedAt > STABLE_MS) this.#failures = 0;
  }

  /**
   * #opened takes a socket that has opened; but not at once while the old one may yet come alive.
   * @param {WebSocket} socket
   */
  #opened(socket) {
    clearTimeout(this.#timer);
    if (!this.open) {
      this.#take(socket);
      return;
    }
    socket.onmessage = (event) => this.#ahead.push(event.data);
    this.#timer = setTimeout(() => this.#take(socket), GRACE_MS);
  }

  /** @param {WebSocket} socket */
  #take(socket) {
    clearTimeout(this.#timer);
    const old = this.#socket;
    this.#attempt = null;
    this.#socket = socket;
    this.#doubted = false;
    this.#openedAt = performance.now();
    socket.onmessage = (event) => this.#listener.received(event.data);
    socket.onclose = (event) => this.#closed(event);
    if (old) {
      silence(old).close(); // what it still has for the server goes out before
      this.#listener.lost({ code: 0, reason: '', clean: false });
    }
    this.#listener.opened();
    for (const data of this.#ahead.splice(0)) this.#listener.received(data);
  }

  /** @param {CloseEvent} event */
  #closed({ code, reason, wasClean }) {
    this.#socket = null;
    this.#doubted = false;
    this.#forgive();
    this.#listener.lost({ code, reason, clean: wasClean });
    if (FINAL_CODES.has(code) || (code === TOKEN_EXPIRED && !this.#listener.renews())) {
      this.#abandon();
      this.#listener.stopped();
    } else if (this.#attempt instanceof WebSocket && this.#attempt.readyState === WebSocket.OPEN) {
      this.#take(this.#attempt);
    } else if (!this.#attempt && !this.#waiting) {
      this.#retry();
    } else {
      this.#listener.retrying(0, this.#failures);
    }
  }

  /**
   * #failed is the end of an attempt.
   * @param {WebSocket | Asking} socket
   */
  #failed(socket) {
    if (socket !== this.#attempt) return;
    this.#abandon();
    this.#retry();
  }

  /** #abandon gives up the running attempt, or the wait for one. */
  #abandon() {
    clearTimeout(this.#timer);
    this.#waiting = false;
    const socket = this.#attempt;
    this.#attempt = null;
    this.#ahead = [];
    if (socket) silence(socket).close();
  }

  #retry() {
    const { min, max } = this.backoff;
    const limit = Math.min(max, min * 2 ** this.#failures++);
    this.#waiting = true;
    this.#countDown(performance.now() + Math.random() * limit);
  }

  /** @param {number} deadline */
  #countDown(deadline) {
    const left = deadline - performance.now();
    if (left <= 0) {
      this.connect();
      return;
    }
    if (!this.#socket) this.#listener.retrying(Math.ceil(left / 1000), this.#failures);
    this.#timer = setTimeout(() => this.#countDown(deadline), left % 1000 || 1000);
  }
}

/** Asking stands for a socket while it is asked where to connect. */
class Asking {
  onopen = null;
  onmessage = null;
  onclose = null;
  close() {}
}

/**
 * silence makes a socket one that tells nothing more.
 * @template {WebSocket | Asking} T
 * @param {T} socket
 * @returns {T}
 */
function silence(socket) {
  socket.onopen = null;
  socket.onmessage = null;
  socket.onclose = null;
  return socket;
}
