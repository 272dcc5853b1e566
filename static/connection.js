// Connection keeps a way to the server open.

import { Events } from './events.js';
import { Socket } from './socket.js';

const ATTEMPT_MS = 5_000; // after which the first attempt to connect is given up
const ATTEMPT_TIMES = 3; // as long a later one may take: the network may be that slow
const SLOW_MS = 2_000; // that an attempt takes that may be in vain
const GRACE_MS = 2_000; // for a way in doubt, once another one has opened
const STABLE_MS = 5_000; // a connection that lasted so long was a good one

// After these the same would happen again: somebody has to decide.
const FINAL_CODES = new Set([1003, 1008, 1009, 1010]);
const TOKEN_EXPIRED = 4401; // likewise, unless there is another token

/** @typedef {{base: URL, room: string, since: string, name: string, session: string, token: string}} Ticket where to connect, as whom */
/** @typedef {{code: number, reason: string, clean: boolean}} Close the end of a way */

/**
 * Way is one way to the server, over which chat.v1 is spoken: a Socket, or Events. It
 * opens when it is made, and ends once.
 * @typedef {object} Way
 * @property {import('./types.js').Transport} name
 * @property {number} window how many texts may be on their way at a time
 * @property {boolean} open
 * @property {Told | null} on
 * @property {(event: object) => void} send
 * @property {() => void} close
 */

/**
 * Told is what a way tells.
 * @typedef {object} Told
 * @property {() => void} opened
 * @property {(event: any) => void} received
 * @property {(close: Close) => void} closed also if it has not opened
 */

/**
 * @typedef {object} Listener
 * @property {() => Ticket | Promise<Ticket>} ticket
 * @property {() => boolean} renews it will be with another token when one has expired
 * @property {() => void} opened there is a new way
 * @property {(event: any) => void} received
 * @property {(close: Close) => void} lost once for each way that had opened; opened may follow
 *   at once, when another one has taken the place of one in doubt
 * @property {() => void} doubted whether anybody answers on the open way is in doubt
 * @property {() => void} trusted and no more
 * @property {(failures: number) => void} failed so many attempts in a row have
 * @property {(failures: number) => void} slow one more takes its time
 * @property {(began: number) => boolean} blocked whether a WebSocket that was begun then, by
 *   performance.now(), has not opened because none can
 * @property {(seconds: number, failures: number) => void} retrying the seconds until the next attempt, 0 during it
 * @property {() => void} stopped it does not come back by itself
 */

/**
 * Connection is a way to the server that comes back.
 *
 * Each attempt is one for a WebSocket first. Where none can be opened, although the server
 * answers, the same attempt goes on with events; and so each reconnect is a way back.
 *
 * A way that is in doubt, because nobody seems to answer, is not given up: it may well
 * come alive again, with all that was on its way. Others are tried beside it, and one
 * that opens takes its place if it stays silent all the same.
 */
export class Connection {
  #listener;
  /** @type {Way | null} */
  #way = null; // the open one
  /** @type {Way | Asking | null} */
  #attempt = null; // one that is to be opened, or to take the open one's place
  /** @type {object[]} */
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
    return this.#way?.open ?? false;
  }

  get doubted() {
    return this.#doubted;
  }

  get transport() {
    return this.#way?.name ?? 'websocket';
  }

  /** window is how many texts may be on their way at a time. */
  get window() {
    return this.#way?.window ?? 0;
  }

  /**
   * send hands an event to the open way.
   * @param {object} event
   */
  send(event) {
    this.#way?.send(event);
  }

  /** connect makes an attempt at once. */
  connect() {
    this.#abandon();
    if (!this.#way && this.#failures) this.#listener.retrying(0, this.#failures);
    const ticket = this.#listener.ticket();
    if (ticket instanceof Promise) this.#ask(ticket);
    else this.#dial(ticket);
  }

  /**
   * #ask makes an attempt of which it is not known yet where to.
   * @param {Promise<Ticket>} ticket
   */
  #ask(ticket) {
    const asking = new Asking();
    this.#try(asking, () => this.#failed());
    ticket.then((ticket) => {
      if (asking !== this.#attempt) return;
      this.#abandon();
      this.#dial(ticket);
    }, () => {
      if (asking === this.#attempt) this.#failed();
    });
  }

  /** @param {Ticket} ticket */
  #dial(ticket) {
    const began = performance.now();
    this.#try(new Socket(ticket), () => {
      if (!this.#listener.blocked(began)) {
        this.#failed();
        return;
      }
      this.#abandon();
      this.#try(new Events(ticket), () => this.#failed());
    });
  }

  /**
   * #try gives an attempt its time.
   * @param {Way | Asking} attempt
   * @param {() => void} failed is called if it does not open
   */
  #try(attempt, failed) {
    this.#attempt = attempt;
    attempt.on = {
      opened: () => this.#opened(/** @type {Way} */ (attempt)),
      received: () => {},
      closed: failed,
    };
    this.#timer = setTimeout(() => {
      this.#listener.slow(this.#failures);
      // Not when it closes: that may take as long again.
      this.#timer = setTimeout(failed, ATTEMPT_MS * Math.min(this.#failures + 1, ATTEMPT_TIMES) - SLOW_MS);
    }, SLOW_MS);
  }

  /** hurry ends a wait for the next attempt: there is reason to believe that it works now. */
  hurry() {
    if (this.#waiting) this.connect();
  }

  /** leave closes the way of a page that is left, which the browser may keep for its back button. */
  leave() {
    this.#way?.close(); // comes back by itself with the page
    if (!this.#attempt) return;
    this.#abandon();
    this.#retry();
  }

  /** close ends it: nothing more is told. */
  close() {
    this.#abandon();
    const way = this.#way;
    this.#way = null;
    if (way) silence(way).close();
  }

  /** doubt says that nobody seems to answer on the open way. */
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
   * #opened takes a way that has opened; but not at once while the old one may yet come alive.
   * @param {Way} way
   */
  #opened(way) {
    clearTimeout(this.#timer);
    if (!this.open) {
      this.#take(way);
      return;
    }
    way.on = { opened() {}, received: (event) => this.#ahead.push(event), closed: () => this.#failed() };
    this.#timer = setTimeout(() => this.#take(way), GRACE_MS);
  }

  /** @param {Way} way */
  #take(way) {
    clearTimeout(this.#timer);
    const old = this.#way;
    this.#attempt = null;
    this.#way = way;
    this.#doubted = false;
    this.#openedAt = performance.now();
    way.on = { opened() {}, received: (event) => this.#listener.received(event), closed: (close) => this.#closed(close) };
    if (old) {
      silence(old).close();
      this.#listener.lost({ code: 0, reason: '', clean: false });
    }
    this.#listener.opened();
    for (const event of this.#ahead.splice(0)) this.#listener.received(event);
  }

  /** @param {Close} close */
  #closed(close) {
    const { code } = close;
    this.#way = null;
    this.#doubted = false;
    this.#forgive();
    this.#listener.lost(close);
    if (FINAL_CODES.has(code) || (code === TOKEN_EXPIRED && !this.#listener.renews())) {
      this.#abandon();
      this.#listener.stopped();
    } else if (this.#attempt?.open) {
      this.#take(/** @type {Way} */ (this.#attempt));
    } else if (!this.#attempt && !this.#waiting) {
      this.#retry();
    } else {
      this.#listener.retrying(0, this.#failures);
    }
  }

  /** #failed is the end of an attempt. */
  #failed() {
    this.#abandon();
    this.#retry();
  }

  /** #abandon gives up the running attempt, or the wait for one. */
  #abandon() {
    clearTimeout(this.#timer);
    this.#waiting = false;
    const attempt = this.#attempt;
    this.#attempt = null;
    this.#ahead = [];
    if (attempt) silence(attempt).close();
  }

  #retry() {
    const { min, max } = this.backoff;
    const limit = Math.min(max, min * 2 ** this.#failures++);
    this.#waiting = true;
    this.#countDown(performance.now() + Math.random() * limit);
    this.#listener.failed(this.#failures);
  }

  /** @param {number} deadline */
  #countDown(deadline) {
    const left = deadline - performance.now();
    if (left <= 0) {
      this.connect();
      return;
    }
    if (!this.#way) this.#listener.retrying(Math.ceil(left / 1000), this.#failures);
    this.#timer = setTimeout(() => this.#countDown(deadline), left % 1000 || 1000);
  }
}

/** Asking stands for a way while it is asked where to connect. */
class Asking {
  open = false;
  /** @type {Told | null} */
  on = null;
  close() {}
}

/**
 * silence makes a way one that tells nothing more.
 * @template {Way | Asking} T
 * @param {T} way
 * @returns {T}
 */
function silence(way) {
  way.on = null;
  return way;
}
