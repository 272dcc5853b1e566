// Outbox holds what was typed until it is confirmed.

const ANSWER_MS = 8_000; // in which a text should come back
const ANSWER_MOST_MS = 13_000; // also for a long one
const BYTES_PER_MS = 16; // of a slow uplink

// A text that went out on a socket that is gone may still be in the kernel, which
// tries again after as long a time as it has tried already.
const LATE_MIN_MS = 2_000;
const LATE_MAX_MS = 60_000;

// The server closed the connection because of the text that it didn't take.
const REFUSED_CODES = new Set([1003, 1008, 1009]);

// It told everything that it took before it said goodbye. Other codes may be a
// proxy's, or mean that it dropped what it had for the page.
const TOLD_CODES = new Set([1000, 1001]);

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** sizeOf is a text's length in bytes, as the server counts them. */
export const sizeOf = (text) => encoder.encode(text).length;

/**
 * Outbox sends texts and keeps each until it is confirmed: the room sends
 * everybody what he said, in the order in which he said it, so one's own text that
 * comes back is the confirmation. An entry's state is
 *   waiting - no socket was given it: it is sent as soon as there is one, and those
 *     before it are confirmed;
 *   sent    - the open socket was given it;
 *   unsure  - a socket was given it that is gone: the server may have it, or may
 *             yet get it;
 *   refused - the server closed the connection because of it.
 *
 * Nothing is to be shown twice, so one that is unsure goes out again by itself only
 * when it is certain that nobody has seen it, nor will: the old socket was closed
 * in order, so that the server had all that was on its way, or so much time has
 * passed that nothing can be on its way; and this page has every message that the
 * room had since. Otherwise the user is asked.
 */
export class Outbox {
  #connection;
  #server;
  #changed; // called when an entry may have changed
  #entries = [];
  #held = false; // until it is known what happened to older ones
  #last = null; // that was sent
  #timer = 0; // until the next one may be

  constructor(connection, server, changed) {
    this.#connection = connection;
    this.#server = server;
    this.#changed = changed;
  }

  /** entries are those that are not confirmed, the oldest first. */
  get entries() {
    return this.#entries;
  }

  add(text) {
    // As it will come back: a half of a surrogate pair can't be sent.
    const bytes = encoder.encode(text);
    this.#entries.push({ text: decoder.decode(bytes), size: bytes.length, state: 'waiting', sentAt: 0, account: null, why: '' });
    this.flush();
  }

  /**
   * flush sends the oldest that is waiting, unless another one is on its way: no more
   * than one is in doubt when the connection fails, however many were typed.
   */
  flush() {
    clearTimeout(this.#timer);
    const [next] = this.#under('waiting');
    if (next && !this.#held && this.#connection.open && !this.#under('sent').length) {
      const now = performance.now();
      const rest = this.#last ? this.#last.sentAt + this.#server.rest(this.#last.size) - now : 0;
      if (rest > 0) {
        this.#timer = setTimeout(() => this.flush(), rest);
      } else {
        next.state = 'sent';
        next.sentAt = now;
        this.#last = next;
        this.#connection.send(next.text);
      }
    }
    this.#changed();
  }

  /** received takes what came: it may confirm an entry. */
  received(text) {
    const confirmed = ['sent', 'unsure'].flatMap((state) => this.#under(state)).find((entry) => entry.text === text);
    if (!confirmed) return;
    this.remove(confirmed);
    this.flush();
  }

  /** overdue reports whether a text should have come back by now. */
  get overdue() {
    const now = performance.now();
    return this.#entries.some(({ state, sentAt, size }) =>
      state === 'sent' && now - sentAt > Math.min(ANSWER_MS + size / BYTES_PER_MS, ANSWER_MOST_MS));
  }

  /** lost says that the socket was closed. */
  lost({ code, clean }, why) {
    const [entry] = this.#under('sent');
    if (!entry) return;
    if (REFUSED_CODES.has(code)) {
      entry.state = 'refused';
      entry.why = why;
    } else if (clean && TOLD_CODES.has(code)) {
      entry.state = 'waiting';
    } else {
      this.#doubt(entry);
    }
    this.#changed();
  }

  /**
   * replaced says that another socket has taken the place of one that did not
   * answer. Closed is a promise of whether that was closed cleanly.
   */
  async replaced(closed) {
    const [entry] = this.#under('sent');
    if (!entry) return;
    this.#doubt(entry);
    this.#held = true;
    if (await closed) await this.#settle(entry);
    this.#held = false;
    this.flush();
  }

  /** opened says that there is a new socket. */
  opened() {
    this.flush();
    const now = performance.now();
    for (const entry of this.#under('unsure')) {
      const late = Math.min(Math.max(now - entry.sentAt, LATE_MIN_MS), LATE_MAX_MS);
      setTimeout(() => this.#settle(entry), late);
    }
  }

  /** again sends an entry again: the user wants it so. */
  again(entry) {
    entry.state = 'waiting';
    this.flush();
  }

  remove(entry) {
    this.#entries = this.#entries.filter((e) => e !== entry);
    this.#changed();
  }

  #under(state) {
    return this.#entries.filter((entry) => entry.state === state);
  }

  #doubt(entry) {
    entry.state = 'unsure';
    entry.account = this.#server.account;
  }

  /** #settle sends one again that nobody has seen. */
  async #settle(entry) {
    let certain = null;
    while (certain === null) { // nobody has answered: a request may have gone over a connection that is forgotten
      if (!this.#connection.open || entry.state !== 'unsure') return; // it is asked when it is open again
      certain = await this.#server.missedNone(entry.account);
    }
    if (certain && entry.state === 'unsure') entry.state = 'waiting';
    this.flush();
  }
}
