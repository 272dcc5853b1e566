// Commands are join, leave, who and name, and their answers.

import { ChatError } from './error.js';

const ANSWER_MS = 4_000; // in which something should come
const AGAIN_MS = 1_000; // after which one is sent again that was too many

/**
 * @typedef {object} Command
 * @property {object[]} events what is sent: the last is the one that is answered
 * @property {string} answer the type of that answer
 * @property {string} room that it names
 */

/**
 * @typedef {object} Asked
 * @property {() => Command | null} prepare
 * @property {(answer: any) => void} resolve
 * @property {(error: ChatError) => void} reject
 */

/**
 * Commands asks the server one thing after the other: an error does not say what it is
 * an answer to. What was not answered when the connection broke is asked again on the
 * next one.
 */
export class Commands {
  #line;
  /** @type {Asked[]} */
  #queue = []; // the first one is under way, if there is a command
  /** @type {Command | null} */
  #command = null;
  #sentAt = 0; // by performance.now()
  #silent = 0; // events of it that may yet fail, and are not answered otherwise
  /** @type {ChatError | null} */
  #error = null; // of one of them
  #notBefore = 0; // the next one goes; by performance.now()
  #timer = 0;

  /** @param {{open: boolean, closed: boolean, pace: import('./pace.js').Pace, send(event: object): number}} line */
  constructor(line) {
    this.#line = line;
  }

  /** idle reports whether nothing is asked. */
  get idle() {
    return this.#queue.length === 0;
  }

  /**
   * ask sends a command when its turn has come.
   * @param {() => Command | null} prepare makes the command then; null: it has become needless
   * @param {{first?: boolean}} [turn] first: before all that are not under way
   * @returns {Promise<any>} its answer; undefined if it was needless
   */
  ask(prepare, { first = false } = {}) {
    const { promise, resolve, reject } = Promise.withResolvers();
    const asked = { prepare, resolve, reject };
    if (first) this.#queue.splice(this.#command ? 1 : 0, 0, asked);
    else this.#queue.push(asked);
    if (this.#line.closed) this.close();
    this.flush();
    return promise;
  }

  /** flush sends the next one. */
  flush() {
    clearTimeout(this.#timer);
    if (this.#command || !this.#queue.length || !this.#line.open) return;
    const rest = Math.max(this.#line.pace.rest(), this.#notBefore - performance.now());
    if (rest > 0) {
      this.#timer = setTimeout(() => this.flush(), rest);
      return;
    }
    this.#command = this.#queue[0].prepare();
    if (!this.#command) {
      this.#end().resolve(undefined);
      return;
    }
    this.#sentAt = performance.now();
    this.#silent = this.#command.events.length - 1;
    this.#error = null;
    for (const event of this.#command.events) this.#line.pace.sent(this.#line.send(event), true);
  }

  /**
   * answered takes an event, which may be an answer.
   * @param {{type: string, room: string}} event
   */
  answered(event) {
    if (this.#command?.answer !== event.type || this.#command.room !== event.room) return;
    const { resolve, reject } = this.#end();
    if (this.#error) reject(this.#error);
    else resolve(event);
  }

  /**
   * failed takes an error that names no text; whether it is an answer, is returned.
   * @param {ChatError} error
   */
  failed(error) {
    if (!this.#command) return false;
    if (error.code === 'rate') {
      this.#command = null;
      this.#notBefore = performance.now() + AGAIN_MS;
      this.flush();
    } else if (this.#silent) {
      this.#silent--;
      this.#error = error; // the answer to the last one is to come
    } else {
      this.#end().reject(error);
    }
    return true;
  }

  /**
   * overdue reports whether an answer should have come by now.
   * @param {number} heard when anything came last
   */
  overdue(heard) {
    return this.#command !== null && performance.now() - Math.max(this.#sentAt, heard) > ANSWER_MS;
  }

  /** lost says that the connection is gone. */
  lost() {
    clearTimeout(this.#timer);
    this.#command = null;
  }

  /** close gives all up. */
  close() {
    this.lost();
    for (const { reject } of this.#queue.splice(0)) reject(new ChatError('closed', 'the chat was closed'));
  }

  /** #end takes out the one that is under way. */
  #end() {
    const [asked] = this.#queue.splice(0, 1);
    this.#command = null;
    queueMicrotask(() => this.flush()); // once its answer is known to who asked
    return asked;
  }
}
