// What the page says.

const numbers = new Intl.NumberFormat();

/** count says how many of something there are. */
export const count = (n, what) => `${numbers.format(n)} ${what}${n === 1 ? '' : 's'}`;

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
};

/** closed says why a connection was closed. The reason is the server's own words. */
export function closed(code, reason) {
  const why = CLOSED[code] ?? 'the server ended it';
  return `Connection closed: ${why} (${code}${reason ? `: ${reason}` : ''}).`;
}
