// Watch finds out when nobody answers any more.

const TICK_MS = 1_000;
const IDLE_MS = 7_000; // without a message, after which the server is asked
const ASLEEP_MS = 10_000; // between two ticks: the machine slept

/**
 * Watch doubts the connection when a text of one's own does not come back, or when
 * the server does not answer. A page can't ping, and on the connection itself
 * nothing is said that the others would not see; so an idle one asks by HTTP.
 */
export class Watch {
  #connection;
  #outbox;
  #server;
  #heard = Date.now(); // when somebody answered; goes on while the machine sleeps
  #ticked = Date.now();
  #asking = false;

  constructor(connection, outbox, server) {
    this.#connection = connection;
    this.#outbox = outbox;
    this.#server = server;
    setInterval(() => this.#tick(), TICK_MS);
    window.addEventListener('offline', () => connection.doubt());
    window.addEventListener('pagehide', () => connection.leave());
    for (const event of ['online', 'pageshow']) window.addEventListener(event, () => this.look());
    document.addEventListener('visibilitychange', () => this.look());
  }

  /** heard says that somebody answers. */
  heard() {
    this.#heard = Date.now();
    if (!this.#outbox.overdue) this.#connection.trust();
  }

  /** look looks at once: something has changed. */
  look() {
    if (document.hidden) return;
    this.#connection.hurry();
    this.#ask();
  }

  #tick() {
    const now = Date.now();
    const slept = now - this.#ticked > ASLEEP_MS;
    this.#ticked = now;
    if (this.#outbox.overdue) this.#connection.doubt();
    // Nobody looks at a hidden page, and it is asked for as soon as somebody does.
    else if (!document.hidden && (slept || now - this.#heard > IDLE_MS)) this.#ask();
  }

  async #ask() {
    if (this.#asking || !this.#connection.open || this.#connection.doubted) return;
    this.#asking = true;
    const answered = await this.#server.answers();
    this.#asking = false;
    if (answered) {
      this.heard();
    } else if (!this.#server.mute && Date.now() - this.#heard > IDLE_MS) {
      // Only once: should another connection open, and there still be no answer, then
      // it is HTTP that doesn't come through.
      this.#server.mute = true;
      this.#connection.doubt();
    }
  }
}
