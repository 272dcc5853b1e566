// Connection keeps the WebSocket up.

const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 15_000;
const ATTEMPT_MS = 5_000; // after which a connection attempt is given up
const GRACE_MS = 2_000; // for a socket in doubt, once another one has opened
const STABLE_MS = 5_000; // a connection that lasted so long was a good one

// After these the same would happen again: the user has to decide.
const FINAL_CODES = new Set([1003, 1008, 1009, 1010]);

/**
 * Connection is a WebSocket that comes back. It calls the listener's
 *   opened() - there is a new socket;
 *   received(data);
 *   lost({ code, reason, clean }) - once for each socket that had been open;
 *   replaced(closed) - another socket has taken the place of one that was in doubt,
 *     opened() follows; closed is a promise of whether the old one was closed cleanly;
 *   doubted(), trusted() - whether anybody answers on the open socket is in doubt,
 *     and no more;
 *   retrying(seconds, failures) - the seconds until the next attempt, 0 during it;
 *   stopped() - it does not come back by itself.
 *
 * A socket that is in doubt, because nobody seems to answer, is not given up: it
 * may well come alive again, with all that was on its way. Others are tried beside
 * it, and one that opens takes its place if it stays silent all the same.
 */
export class Connection {
  #url;
  #listener;
  #socket = null; // the open one
  #attempt = null; // one that is to be opened, or to take the open one's place
  #ahead = []; // what came on that
  #timer = 0; // of the running attempt or the wait for the next one
  #failures = 0; // in a row
  #openedAt = 0;
  #doubted = false;
  #waiting = false;

  constructor(url, listener) {
    this.#url = url;
    this.#listener = listener;
  }

  get open() {
    return this.#socket !== null && this.#socket.readyState === WebSocket.OPEN;
  }

  get doubted() {
    return this.#doubted;
  }

  /** send hands a text to the open socket. */
  send(text) {
    this.#socket.send(text);
  }

  /** connect makes an attempt at once. */
  connect() {
    this.#abandon();
    if (!this.#socket && this.#failures) this.#listener.retrying(0, this.#failures);
    const socket = new WebSocket(this.#url);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => this.#opened(socket);
    socket.onclose = () => this.#failed(socket);
    this.#attempt = socket;
    // Not when it closes: that may take as long again.
    this.#timer = setTimeout(() => this.#failed(socket), ATTEMPT_MS);
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

  /** #opened takes a socket that has opened; but not at once while the old one may yet come alive. */
  #opened(socket) {
    clearTimeout(this.#timer);
    if (!this.open) {
      this.#take(socket);
      return;
    }
    socket.onmessage = (event) => this.#ahead.push(event.data);
    this.#timer = setTimeout(() => this.#take(socket), GRACE_MS);
  }

  #take(socket) {
    clearTimeout(this.#timer);
    const old = this.#socket;
    this.#attempt = null;
    this.#socket = socket;
    this.#doubted = false;
    this.#openedAt = performance.now();
    socket.onmessage = (event) => this.#received(event.data);
    socket.onclose = (event) => this.#closed(event);
    if (old) this.#listener.replaced(this.#end(old));
    for (const data of this.#ahead.splice(0)) this.#listener.received(data);
    this.#listener.opened();
  }

  #received(data) {
    // What comes on both is shown once.
    const twice = this.#ahead.indexOf(data);
    if (twice >= 0) this.#ahead.splice(twice, 1);
    this.#listener.received(data);
  }

  /** #end closes a socket. What it still has for the server goes out before. */
  #end(socket) {
    return new Promise((resolve) => {
      socket.onmessage = null;
      socket.onclose = (event) => resolve(event.wasClean);
      socket.close();
    });
  }

  #closed({ code, reason, wasClean }) {
    this.#socket = null;
    this.#doubted = false;
    this.#forgive();
    this.#listener.lost({ code, reason, clean: wasClean });
    if (FINAL_CODES.has(code)) {
      this.#abandon();
      this.#listener.stopped();
    } else if (this.#attempt?.readyState === WebSocket.OPEN) {
      this.#take(this.#attempt);
    } else if (!this.#attempt && !this.#waiting) {
      this.#retry();
    } else {
      this.#listener.retrying(0, this.#failures);
    }
  }

  /** #failed is the end of an attempt. */
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
    if (!socket) return;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }

  #retry() {
    // Full jitter: clients of a server that restarts don't come back all together.
    const limit = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.#failures++);
    this.#waiting = true;
    this.#countDown(performance.now() + Math.random() * limit);
  }

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
