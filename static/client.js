// The client of chat.v1: any page or program may import it.
//
//   import { connect } from 'https://chat.example/client.js';
//   const chat = connect({ room: 'lobby', name: 'Ana' });
//   chat.addEventListener('message', ({ detail }) => console.log(detail.name, detail.text));
//   await chat.say('hello');
//
//	Chat ─▶ Connection  one way to the server, and another when it is gone:
//	  │                   Socket, or Events where no WebSocket opens
//	  │ ◀── Watch       finds out when nobody answers
//	  ├───▶ Outbox      what was said, until it is confirmed
//	  ├───▶ Commands    join, leave, who, name and their answers
//	  ├───▶ Rooms       where it is
//	  └───▶ Room        how far each has been heard

import { Commands } from './commands.js';
import { Connection } from './connection.js';
import { ChatError } from './error.js';
import { Outbox, sizeOf } from './outbox.js';
import { Pace } from './pace.js';
import { Room } from './position.js';
import { Rooms } from './rooms.js';
import { Status } from './status.js';
import { Watch } from './watch.js';

export { ChatError, sizeOf };

const WELCOME_MS = 4_000; // in which it should come
const NAME_MOST = 32; // characters, where the server does not tell

/** @typedef {import('./outbox.js').Entry} Entry */
/** @typedef {import('./types.js').Events} Events */
/** @typedef {import('./types.js').Member} Member */
/** @typedef {import('./types.js').Message} Message */
/** @typedef {import('./types.js').Options} Options */
/** @typedef {import('./types.js').State} State */
/** @typedef {import('./types.js').Token} Token */
/** @typedef {import('./types.js').Transport} Transport */
/** @typedef {import('./types.js').Who} Who */
/** @typedef {import('./position.js').Place} Place */

/**
 * connect begins a chat, which keeps itself connected until it is closed.
 * @param {Options} [options]
 */
export function connect(options = {}) {
  return new Chat(options);
}

/** Chat is a chat on one connection, in one room or several. */
export class Chat extends EventTarget {
  /** @type {State} */
  state = 'connecting';
  id = ''; // the own one, which others see
  session = ''; // proves it
  name = '';
  /** @type {Token} */
  token = ''; // for the next connection
  /** @type {{message: number, name: number, rooms: number} | null} */
  limits = null; // none is known before the first welcome
  /** @type {Transport} of the present connection, or the last */
  transport = 'websocket';
  /**
   * why nothing can be said on the present connection; null if it can. Its code is no_token, or
   * not_allowed if the server does not let the token publish. What is said is kept, until it can.
   * @type {ChatError | null}
   */
  readOnly = null;
  /** @type {Map<string, Room>} those that the chat is to be in, the first one's own connection */
  rooms = new Map();

  #base;
  #storage;
  #closed = false; // for good
  #openedAt = Infinity; // a connection whose welcome is to come; by performance.now()
  #seconds = 0; // until the next attempt
  #failures = 0;
  #code = 0; // of the last close
  #reason = '';
  #ahead = 0; // ms that the server's clock is ahead of the own one, at least
  #connection;
  #watch;
  #status;
  #pace;
  #outbox;
  #commands;
  #rooms;

  /** @param {Options} options */
  constructor({ url = new URL('.', import.meta.url), room = 'lobby', name = '', session, since = '', token = '', storage }) {
    super();
    this.#base = new URL(url, globalThis.location?.href);
    this.#base.protocol = this.#base.protocol.replace(/^ws/, 'http');
    this.#base.pathname = this.#base.pathname.replace(/[^/]$/, '$&/');
    this.#storage = storage;
    this.name = name;
    this.token = token;
    this.session = session ?? this.#stored() ?? '';
    this.rooms.set(room, new Room(room, since));

    this.#status = new Status(this.#below('status.json'), () => this.#learnt());
    this.#pace = new Pace(this.#status);
    this.#connection = new Connection({
      ticket: () => (typeof this.token === 'function' ? this.#renewed(this.token) : this.#ticket(this.token)),
      renews: () => typeof this.token === 'function',
      opened: () => this.#opened(),
      received: (event) => this.#received(event),
      lost: (close) => this.#lost(close),
      doubted: () => this.#become('silent'),
      trusted: () => {
        this.#become('open');
        this.#flush();
      },
      retrying: (seconds, failures) => this.#retrying(seconds, failures),
      failed: (failures) => this.#status.failed(failures),
      slow: (failures) => void this.#status.suspect(failures + 1),
      blocked: (began) => this.#status.blocks(began),
      stopped: () => this.#become('stopped'),
    });
    const line = this.#line();
    this.#outbox = new Outbox(line);
    this.#commands = new Commands(line);
    this.#rooms = new Rooms(this.rooms, this.#commands, (room, error) => this.#left(room, error), (room, error) => this.#crowded(room, error));
    this.#watch = new Watch({
      connection: this.#connection,
      overdue: (heard) => this.#outbox.overdue || this.#commands.overdue(heard) || performance.now() - this.#openedAt > WELCOME_MS,
      ask: () => this.#probe(),
    });
    this.#connection.connect();
  }

  /** entries are those that are not confirmed, the oldest first. */
  get entries() {
    return this.#outbox.entries;
  }

  /**
   * @template {keyof Events} T
   * @overload
   * @param {T} type
   * @param {((event: CustomEvent<Events[T]>) => void) | EventListenerObject | null} listener
   * @param {boolean | AddEventListenerOptions} [options]
   * @returns {void}
   */
  /**
   * addEventListener is as any target's; its types say what there is to listen to.
   * @param {string} type
   * @param {any} listener
   * @param {boolean | AddEventListenerOptions} [options]
   */
  addEventListener(type, listener, options) {
    super.addEventListener(type, listener, options);
  }

  /**
   * say says a text in a room, else in the first one. What is said while there is no
   * connection is sent later.
   * @param {string} text
   * @param {{room?: string}} [where]
   */
  say(text, { room = this.#rooms.first.name } = {}) {
    return this.#outbox.add(room, text);
  }

  /**
   * rename takes another name, or none.
   * @param {string} name
   * @returns {Promise<void>}
   */
  async rename(name) {
    // A name is answered only if it is refused; so something is asked behind it.
    await this.#commands.ask(() => {
      const { name: room } = this.#rooms.first;
      return { events: [{ type: 'name', name }, { type: 'who', room }], answer: 'who', room };
    });
    this.name = name;
  }

  /**
   * join joins a further room.
   * @param {string} name
   * @param {string} [since] as in the options
   * @returns {Promise<Room>}
   */
  async join(name, since = '') {
    return this.#rooms.join(name, since);
  }

  /**
   * leave leaves a room. The last one can't be left: a connection is to a room.
   * @param {string} name
   * @returns {Promise<void>}
   */
  async leave(name) {
    await this.#rooms.leave(name);
  }

  /**
   * who asks who is in a room, else in the first one.
   * @param {string} [room]
   * @returns {Promise<Who>}
   */
  async who(room = this.#rooms.first.name) {
    const who = await this.#commands.ask(() => (this.rooms.has(room) ? { events: [{ type: 'who', room }], answer: 'who', room } : null));
    if (!who) throw new ChatError('not_member', `you are not in ${room}`);
    return { room, count: who.count ?? this.rooms.get(room)?.members ?? 0, members: who.members };
  }

  /** connect makes an attempt to connect at once, unless there is a connection that answers. */
  connect() {
    if (this.#closed) return;
    if (!this.#connection.open || this.#connection.doubted) this.#connection.connect();
  }

  /** close ends the chat for good. */
  close() {
    this.#closed = true;
    this.#watch.stop();
    this.#connection.close();
    this.#commands.close();
    this.#outbox.close();
    this.#become('stopped');
  }

  /** #line is what the outbox and the commands send over. */
  #line() {
    const chat = this;
    return {
      get open() { return chat.#connection.open && !chat.#connection.doubted && chat.state === 'open'; },
      get closed() { return chat.#closed; },
      get limits() { return chat.limits; },
      get readOnly() { return chat.readOnly; },
      get transport() { return chat.transport; },
      get window() { return chat.#connection.window; },
      rooms: this.rooms,
      pace: this.#pace,
      /** @param {object} event */
      send(event) {
        chat.#connection.send(event);
        return sizeOf(JSON.stringify(event));
      },
      /** @param {Entry} entry */
      changed(entry) { chat.#tell('entry', { entry }); },
    };
  }

  /** @param {string} name */
  #below(name) {
    return new URL(name, this.#base);
  }

  /**
   * #renewed is the ticket for the next connection, with a token that is asked for.
   * @param {() => string | Promise<string>} ask
   * @returns {Promise<import('./connection.js').Ticket>}
   */
  async #renewed(ask) {
    return this.#ticket(await ask());
  }

  /**
   * #ticket is for the next connection.
   * @param {string} token
   * @returns {import('./connection.js').Ticket}
   */
  #ticket(token) {
    const { name: room, from: since } = this.#rooms.first;
    const { name, session } = this;
    return { base: this.#base, room, since, name, session, token };
  }

  /** #opened begins with a connection, whose welcome is to come. */
  #opened() {
    this.#openedAt = performance.now();
    this.transport = this.#connection.transport;
    this.readOnly = null;
  }

  /** @param {any} event */
  #received(event) {
    const room = this.rooms.get(event.room);
    switch (event.type) {
      case 'welcome':
        this.#welcomed(event);
        break;
      case 'joined':
        if (room) this.#joined(room, event, {});
        break;
      case 'say':
        if (room) this.#heard(room, event);
        break;
      case 'gap':
        if (room) this.#missed(room, event);
        break;
      case 'members':
      case 'who':
        if (room) this.#counted(room, event);
        break;
      case 'error':
        this.#failed(new ChatError(event.code, event.message, event.nonce));
        break;
      case 'placed':
        this.#outbox.confirm(event);
        break;
      case 'later':
        this.#outbox.later(event.nonce, event.ms);
        break;
      case 'mute':
        this.#muted(event);
        break;
    }
    this.#commands.answered(event);
    this.#watch.heard();
  }

  /**
   * #welcomed begins with a connection.
   * @param {Place & {id?: string, session?: string, name: string, limits: {message?: number, name?: number, rooms: number}, retry: {min_ms?: number, max_ms?: number}, room: string}} welcome
   */
  #welcomed({ id = this.id, session = this.session, name, limits, retry, ...place }) {
    this.#openedAt = Infinity;
    this.id = id;
    this.session = session;
    this.name = name;
    this.limits = { message: this.#status.facts?.maxMessage ?? Infinity, name: NAME_MOST, ...limits };
    this.#store();
    this.#status.opened(this.transport);
    const { min, max } = this.#connection.backoff;
    this.#connection.backoff = { min: retry.min_ms ?? min, max: retry.max_ms ?? max };
    const room = this.rooms.get(place.room);
    if (room) this.#joined(room, place, { id, name });
    this.#rooms.welcomed(place.room);
    this.#seconds = 0;
    this.#failures = 0;
    this.#code = 0;
    this.#reason = '';
    this.#become('open');
    this.#flush();
  }

  /**
   * #joined begins with a room.
   * @param {Room} room
   * @param {Place} place
   * @param {{id?: string, name?: string}} welcome whether it came with one
   */
  #joined(room, place, welcome) {
    const again = room.begun > 0;
    room.begin(place);
    const { name, members } = room;
    const { resumed } = place;
    this.#tell(welcome.id === undefined ? 'joined' : 'welcome', { room: name, members, resumed, again, ...welcome });
    this.#outbox.joined(name, !resumed);
  }

  /**
   * #heard takes a message.
   * @param {Room} room
   * @param {{seq: number, at: number, epoch?: string, id?: string, name?: string, text?: string, data?: string, nonce?: string}} say
   */
  #heard(room, { seq, at, epoch, id = '', name = '', text, data, nonce }) {
    const entry = this.#outbox.confirm({ room: room.name, seq, at, nonce });
    const own = this.#outbox.mine(nonce) || (id !== '' && id === this.id);
    room.find({ seq, epoch });
    if (!room.hear({ seq, at })) return;
    this.#ahead = Math.max(this.#ahead, at - Date.now());
    const missed = at - this.#ahead < room.begun;
    /** @type {Message} */
    const message = { room: room.name, seq, at, id, name, nonce, own, missed, entry };
    if (data === undefined) message.text = text;
    else message.data = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    this.#tell('message', message);
  }

  /**
   * #missed takes a gap.
   * @param {Room} room
   * @param {{from: number, to: number, why: string, epoch?: string}} gap
   */
  #missed(room, gap) {
    const { between } = room;
    const missed = room.miss(gap);
    this.#outbox.missed(room.name, between);
    if (missed) this.#tell('gap', missed);
  }

  /**
   * #counted takes the number of a room's members, and who they are perhaps.
   * @param {Room} room
   * @param {{count?: number, members?: Member[]}} event
   */
  #counted(room, { count = room.members, members }) {
    room.members = count;
    this.#tell('members', { room: room.name, count });
    if (members) this.#tell('who', { room: room.name, count, members });
  }

  /**
   * #left tells that a room is gone.
   * @param {string} room
   * @param {ChatError} [error]
   */
  #left(room, error) {
    this.#outbox.left(room);
    this.#tell('left', { room, error });
  }

  /**
   * #crowded tells that a room is not heard on this connection, which is in too many.
   * @param {string} room
   * @param {ChatError} error
   */
  #crowded(room, { code, message }) {
    this.#tell('error', new ChatError(code, `${room} is not heard: ${message}`));
  }

  /**
   * #muted takes that nothing can be said from now on.
   * @param {{code: string, message: string, nonce?: string}} mute
   */
  #muted({ code, message, nonce }) {
    this.readOnly = new ChatError(code, message);
    this.#outbox.untaken(nonce);
    if (this.state === 'open') this.#become('open');
  }

  /** @param {ChatError} error */
  #failed(error) {
    const told = error.nonce === undefined ? this.#commands.failed(error) : this.#outbox.refused(error);
    if (!told) this.#tell('error', error);
  }

  /** @param {{code: number, reason: string, clean: boolean}} close */
  #lost(close) {
    this.#openedAt = Infinity;
    this.#rooms.lost();
    this.#commands.lost();
    this.readOnly = null;
    this.#outbox.lost(close);
    this.#code = close.code;
    this.#reason = close.reason;
    this.#tell('close', { code: close.code, reason: close.reason });
  }

  /**
   * @param {number} seconds
   * @param {number} failures
   */
  #retrying(seconds, failures) {
    this.#seconds = seconds;
    this.#failures = failures;
    this.#become('retrying');
  }

  /** @param {State} state */
  #become(state) {
    this.state = state;
    this.#tell('state', { state, seconds: this.#seconds, failures: this.#failures, refused: this.#status.refuses, code: this.#code, reason: this.#reason, transport: this.transport, readOnly: this.readOnly });
  }

  /** #flush sends what waits. */
  #flush() {
    this.#commands.flush();
    this.#outbox.flush();
  }

  /** #learnt goes on with what the status has told. */
  #learnt() {
    if (this.#status.refuses) this.#become(this.state);
    this.#flush();
  }

  /** #probe asks for what costs the server least. */
  #probe() {
    const room = this.#rooms.least;
    if (room && this.#commands.idle) this.who(room.name).catch(() => {});
  }

  /**
   * #tell tells the listeners.
   * @template {keyof Events} T
   * @param {T} type
   * @param {Events[T]} detail
   */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  get #key() {
    return `chat.v1 session ${this.#base}`;
  }

  /** #stored is the session that the storage has. */
  #stored() {
    try {
      return this.#storage?.getItem(this.#key);
    } catch { // the user does not let us
      return null;
    }
  }

  #store() {
    try {
      this.#storage?.setItem(this.#key, this.session);
    } catch { // it goes without
    }
  }
}
