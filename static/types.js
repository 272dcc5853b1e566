// What callers of a chat give, and its listeners get: types, and nothing that runs.

/**
 * @typedef {object} Options
 * @property {string | URL} [url] the server's root, http(s) or ws(s); else where this module is from
 * @property {string} [room] else the lobby
 * @property {string} [name] else none
 * @property {string} [session] that proves an id one has had; else what storage has, or a new id
 * @property {string} [since] a room's position to begin at, or 'now'; else the history
 * @property {Token} [token] if the server wants one
 * @property {Pick<Storage, 'getItem' | 'setItem'>} [storage] keeps the session, as sessionStorage does
 */

/** @typedef {string | (() => string | Promise<string>)} Token a function is asked before each connection, also when the one before has expired */
/** @typedef {'connecting' | 'open' | 'silent' | 'retrying' | 'stopped'} State */
/**
 * Transport is how the server is reached. Where no WebSocket opens, although the server answers,
 * as behind some proxies, server-sent events are read, and what is said is published by
 * POST, if the token allows it (it is one of the server's -api-token-file); else one only
 * listens, see readOnly. Each reconnect tries for a WebSocket first. With events
 *   - one may be in three rooms: a browser has six connections to a host;
 *   - the own id is not known, but from an earlier WebSocket;
 *   - who has a count, and lists nobody;
 *   - a room is said to be resumed until a gap says that it is not;
 *   - one that was joined with 'now' gives its history after a reconnect, if nothing was
 *     heard there before: else what was said meanwhile would be lost.
 * @typedef {'websocket' | 'events'} Transport
 */
/** @typedef {{id: string, name?: string}} Member */
/** @typedef {{room: string, count: number, members: Member[]}} Who */

/**
 * @typedef {object} Message
 * @property {string} room
 * @property {number} seq its number in the room, one more than that of the one before
 * @property {number} at when it was published, in ms
 * @property {string} id whose it is; '' if the sender has none
 * @property {string} name
 * @property {string} [text]
 * @property {Uint8Array} [data] in place of a text
 * @property {string} [nonce]
 * @property {boolean} own it was said with the own id
 * @property {boolean} missed it was published before the room was joined on this connection
 * @property {import('./outbox.js').Entry} [entry] that it confirms
 */

/**
 * What listeners find in an event's detail.
 * @typedef {object} Events
 * @property {{state: State, seconds: number, failures: number, refused: boolean, code: number, reason: string, transport: Transport, readOnly: import('./error.js').ChatError | null}} state
 *   seconds until the next attempt, 0 during it; attempts that failed in a row; refused: the
 *   server answers, but does not take the connection; code and reason of the last close; readOnly
 *   has changed, too, if it is another one
 * @property {{code: number, reason: string}} close a connection has ended; code 0: it was given up
 * @property {{room: string, id: string, name: string, members: number, resumed: boolean, again: boolean}} welcome
 *   there is a connection; again: the room was heard before
 * @property {{room: string, members: number, resumed: boolean, again: boolean}} joined a further room
 * @property {{room: string, error?: import('./error.js').ChatError}} left a room; error: it could not be joined again
 * @property {Message} message each once, in order
 * @property {{room: string, from: number, to: number, why: string, count: number}} gap messages that are missing before the next one;
 *   why: as in the protocol, or lost, since the room was joined; count: 0 if nobody knows how many they are
 * @property {{room: string, count: number}} members
 * @property {Who} who also one that nobody asked for
 * @property {{entry: import('./outbox.js').Entry}} entry one is new, or has another state
 * @property {import('./error.js').ChatError} error that nobody else was told
 */

export {};
