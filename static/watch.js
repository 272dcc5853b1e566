// Watch finds out when nobody answers any more.

const TICK_MS = 1_000;

// Without anything, after which the server is asked: not by all at the same time that
// have heard the same last message.
const IDLE_LEAST_MS = 6_000;
const IDLE_MOST_MS = 8_000;

const ASLEEP_MS = 10_000; // between two ticks: the machine slept

/**
 * @typedef {object} Watched
 * @property {import('./connection.js').Connection} connection
 * @property {(heard: number) => boolean} overdue whether something should have come by now
 * @property {() => void} ask asks the server for something that it answers
 */

/**
 * Watch doubts the connection when an answer is overdue, or a text of one's own that
 * should have come back. An idle connection is asked; but not on a page that nobody
 * looks at, until somebody does.
 */
export class Watch {
  #watched;
  #heard = 0; // when anything came, by performance.now()
  #ticked = Date.now(); // goes on while the machine sleeps
  #ticks;
  #idle = IDLE_LEAST_MS + Math.random() * (IDLE_MOST_MS - IDLE_LEAST_MS);
  #end = new AbortController();

  /** @param {Watched} watched */
  constructor(watched) {
    this.#watched = watched;
    const { connection } = watched;
    this.#ticks = setInterval(() => this.#tick(), TICK_MS);
    this.#on('offline', () => connection.doubt());
    this.#on('pagehide', () => connection.leave());
    for (const event of ['online', 'pageshow']) this.#on(event, () => this.#look());
    globalThis.document?.addEventListener('visibilitychange', () => this.#look(), this.#end);
  }

  /** heard says that something has come. */
  heard() {
    this.#heard = performance.now();
    const { connection } = this.#watched;
    if (connection.doubted && !this.#watched.overdue(this.#heard)) connection.trust();
  }

  /** stop ends it. */
  stop() {
    clearInterval(this.#ticks);
    this.#end.abort();
  }

  /** #look looks at once: something has changed. */
  #look() {
    if (this.#hidden) return;
    this.#watched.connection.hurry();
    this.#ask();
  }

  #tick() {
    const now = Date.now();
    const slept = now - this.#ticked > ASLEEP_MS;
    this.#ticked = now;
    if (this.#watched.overdue(this.#heard)) this.#watched.connection.doubt();
    else if (!this.#hidden && (slept || performance.now() - this.#heard > this.#idle)) this.#ask();
  }

  #ask() {
    const { connection } = this.#watched;
    if (connection.open && !connection.doubted) this.#watched.ask();
  }

  get #hidden() {
    return globalThis.document?.hidden ?? false; // a worker has none
  }

  /**
   * @param {string} event
   * @param {() => void} listener
   */
  #on(event, listener) {
    globalThis.addEventListener?.(event, listener, this.#end);
  }
}
