// Server is what the page can ask the server apart from the connection.

const ANSWER_MS = 4_000;
const SETTLE_MS = 1_000; // in which what was on its way has come

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
  mute = false; // a connection was doubted because it did not answer, nor has it since
  account = null; // of the present connection; null: none yet
  limit = Infinity; // bytes of a message

  /** learnt() is called when the limit may have changed. */
  constructor(url, learnt) {
    this.#url = url;
    this.#learnt = learnt;
  }

  /** received counts a message that came. */
  received() {
    this.#received++;
  }

  /** answers reports whether anybody answers in time. */
  async answers() {
    try {
      await (await this.#fetch()).arrayBuffer();
      return true;
    } catch {
      return false;
    }
  }

  /** begin begins an account: there is a new connection. */
  async begin() {
    const mine = ++this.#begun;
    this.account = null;
    const status = await this.#ask();
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    if (!status || mine !== this.#begun) return;
    // The messages that this page was not sent, and didn't miss. What was counted
    // by the server only after it answered makes them fewer: then more is called
    // missed than was, never less.
    this.account = { run: status.run, others: status.messages - this.#received };
  }

  /** missedNone reports whether it is certain that no message was missed since an account was begun. */
  async missedNone(account) {
    const received = this.#received;
    const status = await this.#ask();
    return status !== null && status.run === account?.run && status.messages - received <= account.others;
  }

  /** #ask returns the status, null if there is none. */
  async #ask() {
    try {
      const response = await this.#fetch();
      if (!response.ok) return null;
      const status = await response.json();
      this.limit = status.maxMessage ?? Infinity;
      this.#learnt();
      return status;
    } catch {
      return null;
    }
  }

  async #fetch() {
    const response = await fetch(this.#url, { cache: 'no-store', signal: AbortSignal.timeout(ANSWER_MS) });
    this.mute = false;
    return response;
  }
}
