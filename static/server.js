// Server is what the page can ask the server apart from the connection.

const ANSWER_MS = 4_000;
const SETTLE_MS = 1_000; // in which what was on its way has come
const UNTOLD_REST_MS = 1_000; // between texts, as long as the server has not told its rates
const FRAME = 14; // bytes at most around a message

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Server asks for the status, and keeps account of the messages: the server says
 * how many the room has had, the page knows how many it was sent. So it can tell
 * whether it missed any while it was not connected.
 */
export class Server {
  #url;
  #learnt;
  #received = 0;
  #begun = 0; // accounts
  #told = null; // the last status of the present connection's time, and what was received by then
  mute = false; // a connection was doubted because it did not answer, nor has it since
  account = null; // of the present connection; null: none yet
  limit = Infinity; // bytes of a message
  #rates = null; // that one may send; null: it has not told yet

  /** learnt() is called when the limits may have changed. */
  constructor(url, learnt) {
    this.#url = url;
    this.#learnt = learnt;
  }

  /** rest is how long one has to wait after a text of size bytes, in ms. */
  rest(size) {
    if (!this.#rates) return UNTOLD_REST_MS;
    const { rateMessages, rateBytes } = this.#rates; // in a second; none: any number
    return 1000 * Math.max(rateMessages ? 1 / rateMessages : 0, rateBytes ? (size + FRAME) / rateBytes : 0);
  }

  /** received counts a message that came. */
  received() {
    this.#received++;
  }

  /** answers reports whether anybody answers in time. */
  async answers() {
    return (await this.#ask()) !== null;
  }

  /**
   * reaches reports whether anybody answers in time, and what the room says comes
   * here: of the messages since the last answer, at least one.
   */
  async reaches() {
    const mine = this.#begun;
    const before = this.#told;
    const status = await this.#ask();
    if (status === null) return false;
    const passed = () => mine === this.#begun && status.run === before?.run &&
      status.messages > before.messages && this.#received === before.received;
    if (!passed()) return true;
    await sleep(ANSWER_MS);
    return !passed();
  }

  /** begin begins an account: there is a new connection. */
  async begin() {
    const mine = ++this.#begun;
    this.account = null;
    this.#told = null;
    this.#rates = null;
    const status = await this.#ask();
    await sleep(SETTLE_MS);
    if (!status?.run || mine !== this.#begun) return;
    // The messages that this page was not sent, and didn't miss. What was counted
    // by the server only after it answered makes them fewer: then more is called
    // missed than was, never less.
    this.account = { run: status.run, others: status.messages - this.#received };
  }

  /**
   * missedNone reports whether it is certain that no message was missed since an
   * account was begun; null if nobody answers.
   */
  async missedNone(account) {
    const received = this.#received;
    const status = await this.#ask();
    if (status === null) {
      await sleep(SETTLE_MS);
      return null;
    }
    return account !== null && status?.run === account.run && status.messages - received <= account.others;
  }

  /** #ask returns the status: empty if who answers knows none, null if nobody answers. */
  async #ask() {
    try {
      const response = await fetch(this.#url, { cache: 'no-store', signal: AbortSignal.timeout(ANSWER_MS) });
      const body = await response.text();
      if (response.status >= 500) return null; // a proxy with nobody behind it
      const status = response.ok ? JSON.parse(body) : {};
      this.mute = false;
      this.limit = status.maxMessage ?? this.limit;
      this.#rates = status;
      this.#told = { ...status, received: this.#received };
      this.#learnt();
      return status;
    } catch {
      return null;
    }
  }
}
