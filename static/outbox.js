// Outbox holds what was said until it is confirmed.

import { ChatError } from './error.js';

// In which a text should come back.
const ANSWER_MS = 8_000;
const ANSWER_MOST_MS = 13_000; // also for a long one
const BYTES_PER_MS = 16; // of a slow uplink

// After a room was joined again, what was missed comes at once and as fast as the
// network lets it: it is all there when nothing has come for so long, or,
// in a room that is never quiet, after so much time.
const QUIET_MS = 1_000;
const REPLAY_MOST_MS = 5_000;

// The server told everything that it took before it said goodbye. Other codes may be
// a proxy's, or mean that it dropped what it had for the client.
const TOLD_CODES = new Set([1000, 1001]);

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * sizeOf is a text's length in bytes, as the server counts them.
 * @param {string} text
 */
export const sizeOf = (text) => encoder.encode(text).length;

/** nonceBase is what tells this chat's nonces from all others'. */
const nonceBase = () => [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/**
 * Entry is a text that was said. Its state is
 *   waiting   - it has not been sent: there is no connection, or others are before it; or nothing
 *     can be said on the connection that there is: error says why;
 *   sent      - it is on its way. Should the connection break, it is sent again by itself
 *     if it is certain that nobody has seen it, and else becomes
 *   unsure    - it may be published, or not: whoever said it decides. If the server can't
 *     take anything at present, it was not, and error says so;
 *   confirmed - it has come back: everybody in the room gets it;
 *   refused   - the server did not take it: error says why;
 *   dropped   - it was given up.
 * It can be awaited, which is to await confirmed.
 */
export class Entry {
  /** @type {'waiting' | 'sent' | 'unsure' | 'confirmed' | 'refused' | 'dropped'} */
  state = 'waiting';
  /** @type {ChatError | null} */
  error = null;
  /** @type {Promise<{seq: number, at: number}>} its place, once it has one */
  confirmed;
  #outbox;

  /**
   * @param {Outbox} outbox
   * @param {string} nonce
   * @param {string} room
   * @param {string} text
   * @param {Promise<{seq: number, at: number}>} confirmed
   */
  constructor(outbox, nonce, room, text, confirmed) {
    this.#outbox = outbox;
    this.nonce = nonce;
    this.room = room;
    this.text = text;
    this.confirmed = confirmed;
    confirmed.catch(() => {}); // not everybody wants to know
  }

  /**
   * then makes an entry something to be awaited.
   * @template [T={seq: number, at: number}]
   * @template [U=never]
   * @param {((place: {seq: number, at: number}) => T | PromiseLike<T>) | null} [confirmed]
   * @param {((error: ChatError) => U | PromiseLike<U>) | null} [failed]
   * @returns {Promise<T | U>}
   */
  then(confirmed, failed) {
    return this.confirmed.then(confirmed, failed);
  }

  /** again sends an unsure one again. */
  again() {
    this.#outbox.again(this);
  }

  /** drop gives it up, unless it is on its way; whether it could, is returned. */
  drop() {
    return this.#outbox.drop(this);
  }
}

/**
 * @typedef {object} Kept what the outbox has of an entry
 * @property {number} size in bytes
 * @property {number} sentAt by performance.now()
 * @property {string} transport over which it went last
 * @property {boolean} lost the connection on which it went is gone
 * @property {boolean} missed it may be in a gap that has come since
 * @property {(place: {seq: number, at: number}) => void} resolve
 * @property {(error: ChatError) => void} reject
 */

/**
 * @typedef {object} Line what the outbox sends over
 * @property {boolean} open
 * @property {boolean} closed for good
 * @property {Map<string, import('./position.js').Room>} rooms
 * @property {{message: number} | null} limits
 * @property {ChatError | null} readOnly
 * @property {string} transport
 * @property {number} window texts on their way at a time
 * @property {import('./pace.js').Pace} pace
 * @property {(event: object) => number} send returns its size
 * @property {(entry: Entry) => void} changed
 */

/**
 * Outbox sends what was said, in order, and keeps each entry until it is confirmed:
 * the room sends everybody what he said, with its nonce.
 *
 * Nothing may be published twice. A text that was on its way when the connection broke
 * waits until the room has been resumed. If it was published, it is among what was
 * missed, which confirms it. If it is not, and nothing is missing, it was not
 * published, and is sent again, under its nonce: should the first one arrive after
 * all, the server knows it. But if what was missed has a gap, or one has come since it was sent,
 * nobody knows: unsure. So it is if the transport is another one: there one has another id, with nonces of its own.
 */
export class Outbox {
  #line;
  #base = nonceBase();
  #count = 0;
  /** @type {Map<Entry, Kept>} those that are not confirmed, the oldest first */
  #entries = new Map();
  /** @type {Map<string, {missing: boolean, heard: number}>} rooms of which what was missed is still coming */
  #resuming = new Map();
  #timer = 0; // until the next one may be sent

  /** @param {Line} line */
  constructor(line) {
    this.#line = line;
  }

  get entries() {
    return [...this.#entries.keys()];
  }

  /**
   * add takes a text.
   * @param {string} room
   * @param {string} text
   */
  add(room, text) {
    const bytes = encoder.encode(text); // a half of a surrogate pair can't be sent
    /** @type {PromiseWithResolvers<{seq: number, at: number}>} */
    const { promise, resolve, reject } = Promise.withResolvers();
    const entry = new Entry(this, `${this.#base}-${++this.#count}`, room, decoder.decode(bytes), promise);
    this.#entries.set(entry, { size: bytes.length, sentAt: 0, transport: '', lost: false, missed: false, resolve, reject });
    this.#line.changed(entry);
    if (this.#line.closed) this.close();
    else if (this.#fits(entry)) this.flush();
    return entry;
  }

  /** flush sends what may be sent. */
  flush() {
    clearTimeout(this.#timer);
    const { open, rooms, pace, readOnly, transport, window } = this.#line;
    this.#explain();
    let free = open && !readOnly ? window - this.#with('sent').length : 0;
    for (const [entry, kept] of this.#entries) {
      if (free <= 0) return;
      const { state, room, text, nonce } = entry;
      if (state !== 'waiting' || this.#resuming.has(room) || !this.#fits(entry) || !rooms.get(room)?.joined) continue;
      const rest = pace.rest();
      if (rest > 0) {
        this.#timer = setTimeout(() => this.flush(), rest);
        return;
      }
      free--;
      kept.sentAt = performance.now();
      kept.lost = false;
      kept.missed = false;
      kept.transport = transport;
      pace.sent(this.#line.send({ type: 'say', room, text, nonce }), false);
      this.#become(entry, 'sent');
    }
  }

  /**
   * mine reports whether a nonce is of this outbox.
   * @param {string | undefined} nonce
   */
  mine(nonce) {
    return nonce?.startsWith(this.#base) ?? false;
  }

  /**
   * confirm takes a message that has come, and returns the entry that it confirms.
   * @param {{room: string, nonce?: string, seq: number, at: number}} message
   */
  confirm({ room, nonce, seq, at }) {
    const resuming = this.#resuming.get(room);
    if (resuming) resuming.heard = performance.now();
    if (!this.mine(nonce)) return;
    const entry = this.#find(nonce);
    if (entry) {
      this.#entries.get(entry)?.resolve({ seq, at });
      this.#end(entry, 'confirmed');
      this.flush();
    }
    return entry;
  }

  /**
   * refused takes an error of the server; whether it was about an entry, is returned.
   * @param {ChatError} error
   */
  refused({ code, message, nonce }) {
    const entry = this.#find(nonce);
    if (entry && code === 'unavailable') {
      entry.error = new ChatError(code, message, nonce);
      this.#become(entry, 'unsure');
      this.flush();
    } else if (entry) this.#refuse(entry, code, message);
    return entry !== undefined;
  }

  /**
   * later says that a text is put off: until then there is nothing to wait for.
   * @param {string} nonce
   * @param {number} ms
   */
  later(nonce, ms) {
    const entry = this.#find(nonce);
    const kept = entry && this.#entries.get(entry);
    if (kept) kept.sentAt = performance.now() + ms;
  }

  /**
   * untaken says that a text was not taken, nor refused: it waits again, as all do if there is none.
   * @param {string | undefined} nonce
   */
  untaken(nonce) {
    const entry = this.#find(nonce);
    if (entry?.state === 'sent') this.#become(entry, 'waiting');
    this.flush();
  }

  /** overdue reports whether a text should have come back by now. */
  get overdue() {
    const now = performance.now();
    return this.#with('sent').some(([, { lost, sentAt, size }]) =>
      !lost && now - sentAt > Math.min(ANSWER_MS + size / BYTES_PER_MS, ANSWER_MOST_MS));
  }

  /**
   * lost says that the connection is gone.
   * @param {{code: number, clean: boolean}} close
   */
  lost({ code, clean }) {
    this.#resuming.clear();
    for (const [entry, kept] of this.#with('sent')) {
      if (clean && TOLD_CODES.has(code) && !kept.lost) this.#become(entry, 'waiting');
      else kept.lost = true;
    }
    this.#explain();
  }

  /**
   * joined says that a room is joined, on a new connection perhaps, and whether
   * something is missing of what was said there meanwhile.
   * @param {string} room
   * @param {boolean} missing
   */
  joined(room, missing) {
    if (this.#lost(room).length) {
      const resuming = { missing, heard: performance.now() };
      this.#resuming.set(room, resuming);
      this.#settle(room, resuming, resuming.heard + REPLAY_MOST_MS);
    }
    this.flush();
  }

  /**
   * missed says that something is missing of what was said in a room, perhaps since it was
   * joined: it may be what is on its way.
   * @param {string} room
   * @param {boolean} since
   */
  missed(room, since) {
    const resuming = this.#resuming.get(room);
    if (resuming) resuming.missing = true;
    for (const [entry, kept] of this.#with('sent')) kept.missed ||= since && entry.room === room;
  }

  /**
   * left says that a room is left: nothing more can be said there.
   * @param {string} room
   */
  left(room) {
    this.#resuming.delete(room);
    for (const entry of this.entries) {
      if (entry.room === room) this.#refuse(entry, 'not_member', `you are not in ${room}`);
    }
  }

  /**
   * again sends an unsure entry again.
   * @param {Entry} entry
   */
  again(entry) {
    if (entry.state !== 'unsure') return;
    entry.error = null;
    this.#become(entry, 'waiting');
    this.flush();
  }

  /**
   * drop gives an entry up.
   * @param {Entry} entry
   */
  drop(entry) {
    if (entry.state !== 'waiting' && entry.state !== 'unsure') return false;
    this.#entries.get(entry)?.reject(new ChatError('dropped', 'it was given up', entry.nonce));
    this.#end(entry, 'dropped');
    return true;
  }

  /** close gives all up. */
  close() {
    clearTimeout(this.#timer);
    this.#resuming.clear();
    for (const entry of this.entries) this.#refuse(entry, 'closed', 'the chat was closed');
  }

  /**
   * #settle decides what becomes of a room's lost texts once what was missed has come.
   * @param {string} room
   * @param {{missing: boolean, heard: number}} resuming
   * @param {number} deadline
   */
  #settle(room, resuming, deadline) {
    const at = Math.min(resuming.heard + QUIET_MS, deadline);
    const wait = at - performance.now();
    if (wait > 0) {
      setTimeout(() => this.#settle(room, resuming, deadline), wait);
      return;
    }
    if (this.#resuming.get(room) !== resuming) return; // of another connection
    this.#resuming.delete(room);
    for (const [entry, kept] of this.#lost(room)) {
      this.#become(entry, resuming.missing || kept.missed || kept.transport !== this.#line.transport ? 'unsure' : 'waiting');
    }
    this.flush();
  }

  /**
   * #fits reports whether the server can take an entry, and refuses it if not.
   * @param {Entry} entry
   */
  #fits(entry) {
    const { rooms, limits } = this.#line;
    const size = this.#entries.get(entry)?.size ?? 0;
    if (size === 0) this.#refuse(entry, 'bad_event', 'the text is empty');
    else if (!rooms.has(entry.room)) this.#refuse(entry, 'not_member', `you are not in ${entry.room}`);
    else if (limits && size > limits.message) this.#refuse(entry, 'too_long', `the text has ${size} bytes, and the server takes ${limits.message}`);
    return this.#entries.has(entry);
  }

  /**
   * #find returns the entry with a nonce.
   * @param {string | undefined} nonce
   */
  #find(nonce) {
    return nonce === undefined ? undefined : this.entries.find((entry) => entry.nonce === nonce);
  }

  /** @param {Entry['state']} state */
  #with(state) {
    return [...this.#entries].filter(([entry]) => entry.state === state);
  }

  /**
   * #lost are a room's texts that went on a connection that is gone.
   * @param {string} room
   */
  #lost(room) {
    return this.#with('sent').filter(([entry, kept]) => kept.lost && entry.room === room);
  }

  /**
   * @param {Entry} entry
   * @param {Entry['state']} state
   */
  #become(entry, state) {
    entry.state = state;
    this.#line.changed(entry);
  }

  /** #explain says why entries wait. */
  #explain() {
    const { readOnly } = this.#line;
    for (const [entry] of this.#with('waiting')) {
      if (entry.error === readOnly) continue;
      entry.error = readOnly;
      this.#line.changed(entry);
    }
  }

  /**
   * #end forgets an entry.
   * @param {Entry} entry
   * @param {Entry['state']} state
   */
  #end(entry, state) {
    this.#entries.delete(entry);
    this.#become(entry, state);
  }

  /**
   * @param {Entry} entry
   * @param {string} code
   * @param {string} message
   */
  #refuse(entry, code, message) {
    entry.error = new ChatError(code, message, entry.nonce);
    this.#entries.get(entry)?.reject(entry.error);
    this.#end(entry, 'refused');
  }
}
