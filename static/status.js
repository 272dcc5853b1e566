// Status is what the server says of itself by HTTP.

const ANSWER_MS = 4_000;
const REFUSALS = 3; // in a row, after which it is asked whether they are any

/** @typedef {{rateMessages?: number, rateBytes?: number}} Rates what a client may send in a second; none: any number */

/** Status asks for status.json, and only when there is reason to. */
export class Status {
  #url;
  #learnt;
  #asking = false;
  #asked = false;
  #answered = Infinity; // the failures after which the server answered

  /** @type {Rates | null} */
  rates = null; // not known
  refuses = false; // the server answers, but does not take the connection

  /**
   * @param {URL} url
   * @param {() => void} learnt is called when something here has changed
   */
  constructor(url, learnt) {
    this.#url = url;
    this.#learnt = learnt;
  }

  /** learn asks for the rates, once. */
  async learn() {
    if (this.#asked) return;
    this.#asked = true;
    this.rates = await this.#ask();
    this.#learnt();
  }

  /** opened says that the server has taken the connection. */
  opened() {
    this.#answered = Infinity;
    this.refuses = false;
    this.#asked = this.rates !== null; // or once more
  }

  /**
   * failed says how many attempts to connect have failed in a row: is it the network
   * that keeps the client away, or the server?
   * @param {number} failures
   */
  async failed(failures) {
    if (this.refuses || this.#asking || failures < REFUSALS) return;
    if (this.#answered < Infinity) {
      if (failures < this.#answered + 2) return; // an attempt may have begun before the answer
      this.refuses = true;
      this.#learnt();
      return;
    }
    this.#asking = true;
    if (await this.#ask()) this.#answered = failures;
    this.#asking = false;
  }

  /** #ask returns the status: empty if who answers knows none, null if nobody answers. */
  async #ask() {
    try {
      const response = await fetch(this.#url, { cache: 'no-store', signal: AbortSignal.timeout(ANSWER_MS) });
      const body = await response.text();
      if (response.status >= 500) return null; // a proxy with nobody behind it
      return response.ok ? JSON.parse(body) : {};
    } catch {
      return null;
    }
  }
}
