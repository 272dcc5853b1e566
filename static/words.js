// What the page says.

const numbers = new Intl.NumberFormat();
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
const calendar = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });

/** number writes a number out. */
export const number = (n) => numbers.format(n);

/** count says how many of something there are. */
export const count = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

/** timeOf is a time of day, dayOf its day. */
export const timeOf = (at) => clock.format(at);
export const dayOf = (at) => calendar.format(at);

// Why a connection was closed, by its code (RFC 6455 §7.4.1).
const CLOSED = {
  1000: 'the server ended it',
  1001: 'the server is going away',
  1002: 'a rule of the protocol was broken',
  1003: 'the server does not take this kind of message',
  1006: 'it broke',
  1007: 'a message was not valid text',
  1008: 'a limit of the server was exceeded',
  1009: 'a message was too long for the server',
  1011: 'the server has a fault',
  1012: 'the server starts again',
  1013: 'this page was too slow, or the server has too much to do',
  1014: 'a proxy on the way has a fault',
  1015: 'its encryption failed',
  4401: 'the permission to be here has expired',
};

/** closed says why a connection was closed. The reason is the server's own words. */
export function closed(code, reason) {
  const why = CLOSED[code] ?? 'the server ended it';
  return `Connection closed: ${why} (${code}${reason ? `: ${reason}` : ''}).`;
}

// Why one can only listen.
const LISTENING = {
  no_token: 'only who has a token may speak without one',
  not_allowed: 'the server does not let you speak without one',
};

/** listening says that one can only listen. The message is the server's own words. */
export function listening({ code, message }) {
  const why = code === 'not_allowed' ? `${LISTENING[code]} (${message})` : LISTENING[code];
  return `You can only listen here: no WebSocket gets through to the server, and ${why}. What you type is kept.`;
}

// Why messages are missing.
const MISSING = {
  history: 'the server keeps no more than the last ones',
  epoch: 'the server has started again and forgotten what was before',
  future: 'the server has started again and forgotten what was before',
  mismatch: 'the server has another past than this page has seen',
  lost: 'they were lost on the way',
};

const SURE = new Set(['history', 'lost']); // with the others it may be that nothing is missing

/** missing says what a gap is. */
export function missing({ count: n, why }) {
  const reason = MISSING[why] ?? why;
  if (!SURE.has(why)) return `Messages may be missing here: ${reason}.`;
  if (n === 0) return `Messages are missing here: ${reason}.`;
  return `${count(n, 'message is', 'messages are')} missing here: ${reason}.`;
}

const SHOWN_BYTES = 12;

/** binary says what bytes there are. */
export function binary(data) {
  const hex = [...data.subarray(0, SHOWN_BYTES)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return `${count(data.length, 'byte')} of binary data: ${hex}${data.length > SHOWN_BYTES ? ' …' : ''}`;
}
