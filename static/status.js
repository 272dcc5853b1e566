// Status is what the server says of itself by HTTP.

const ANSWER_MS = 4_000;
const REFUSALS = 3; // in a row, after which it is asked whether they are any
const PATIENCE_MS = 2_000; // that a WebSocket has to open in, where the server answers

/** @typedef {{maxMessage?: number, rateMessages?: number, rateBytes?: number}} Facts bytes of a text, and what a client may send in a second; none: any number */

/** Status asks for status.json, and only when there is reason to. */
export class Status {
  #url;
  #learnt;
  #asking = false;
  #asked = false;
  #answered = Infinity; // the failures after which the server answered
  #answeredAt = Infinity; // when, by performance.now()
  #known = false; // WebSockets have opened

  /** @type {Facts | null} */
  facts = null; // not known
  refuses = false; // the server answers, but does not take the connection

  /**
   * @param {URL} url
   * @param {() => void} learnt is called when something here has changed
   */
  constructor(url, learnt) {
    this.#url = url;
    this.#learnt = learnt;
  }

  /** learn asks for the facts, once. */
  async learn() {
    if (this.#asked) return;
    this.#asked = true;
    await this.#ask();
    this.#learnt();
  }

  /**
   * opened says that the server has taken the connection.
   * @param {import('./types.js').Transport} transport
   */
  opened(transport) {
    this.#answered = Infinity;
    this.#answeredAt = Infinity;
    this.refuses = false;
    this.#asked = this.facts !== null; // or once more
    this.#known ||= transport === 'websocket';
  }

  /**
   * failed says how many attempts to connect have failed in a row: is it the network
   * that keeps the client away, or the server?
   * @param {number} failures
   */
  failed(failures) {
    // An attempt may have begun before the answer.
    if (this.refuses || failures < Math.max(this.#answered, REFUSALS) + 2) {
      void this.suspect(failures);
      return;
    }
    this.refuses = true;
    this.#learnt();
  }

  /**
   * suspect asks whether anybody is there, unless that is known: so many attempts in a row have
   * failed, or seem to.
   * @param {number} failures
   */
  async suspect(failures) {
    // All whose server starts again fail: who has had a WebSocket gives it time.
    if (this.#asking || this.#answered < Infinity || failures < (this.#known ? REFUSALS : 1)) return;
    this.#asking = true;
    if (await this.#ask()) {
      this.#answered = failures;
      this.#answeredAt = performance.now();
    }
    this.#asking = false;
  }

  /**
   * blocks reports whether WebSockets do not get through to the server, of which one
   * that was begun then has not opened: it had answered before, so it is not away.
   * @param {number} began by performance.now()
   */
  blocks(began) {
    return this.#answeredAt <= Math.max(began, performance.now() - PATIENCE_MS);
  }

  /** #ask learns the facts, none if who answers knows none, and reports whether anybody answers. */
  async #ask() {
    try {
      const response = await fetch(this.#url, { cache: 'no-store', signal: AbortSignal.timeout(ANSWER_MS) });
      const body = await response.text();
      if (response.status >= 500) return false; // a proxy with nobody behind it
      this.facts = response.ok ? JSON.parse(body) : {};
      return true;
    } catch {
      return false;
    }
  }
}
