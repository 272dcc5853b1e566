// Pace is how fast one may send.

const UNTOLD_MS = 1_000; // between texts, as long as the server has not told its rates
const COMMAND_MS = 125; // between commands: of more than 10 a second the server takes no notice
const FRAME = 14; // bytes at most around a message

/** Pace keeps to the server's rates, which may cost a faster client its connection. */
export class Pace {
  #status;
  #size = 0; // of the last that was sent
  #sentAt = -Infinity;
  #command = false;

  /** @param {import('./status.js').Status} status */
  constructor(status) {
    this.#status = status;
  }

  /** rest is how many ms the next one has to wait, at most 0 if it may go. */
  rest() {
    return this.#sentAt + this.#after() - performance.now();
  }

  /**
   * sent counts one that has gone.
   * @param {number} size in bytes
   * @param {boolean} command it is no text
   */
  sent(size, command) {
    this.#size = size;
    this.#command = command;
    this.#sentAt = performance.now();
  }

  /** #after is the time that has to be between the last one and the next. */
  #after() {
    const { facts } = this.#status;
    if (!facts) {
      // Who sends but now and then need not know.
      if (performance.now() - this.#sentAt < UNTOLD_MS) void this.#status.learn();
      return this.#command ? COMMAND_MS : UNTOLD_MS;
    }
    const { rateMessages, rateBytes } = facts;
    return Math.max(
      this.#command ? COMMAND_MS : 0,
      rateMessages ? 1000 / rateMessages : 0,
      rateBytes ? 1000 * (this.#size + FRAME) / rateBytes : 0,
    );
  }
}
