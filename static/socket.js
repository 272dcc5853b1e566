// Socket is the way to the server over a WebSocket.

const SUBPROTOCOL = 'chat.v1';

/** Socket speaks chat.v1 as it is. It implements Way. */
export class Socket {
  /** @type {import('./types.js').Transport} */
  name = 'websocket';
  window = 8;
  /** @type {import('./connection.js').Told | null} */
  on = null;
  #socket;

  /** @param {import('./connection.js').Ticket} ticket */
  constructor({ base, room, since, token, name, session }) {
    const url = new URL(`ws/${room}`, base);
    url.protocol = url.protocol.replace(/^http/, 'ws');
    const query = Object.entries({ name, since, session, token }).filter(([, value]) => value);
    url.search = new URLSearchParams(query).toString();
    this.#socket = new WebSocket(url, SUBPROTOCOL);
    this.#socket.onopen = () => this.on?.opened();
    this.#socket.onmessage = ({ data }) => {
      const event = read(data);
      if (event) this.on?.received(event);
    };
    this.#socket.onclose = ({ code, reason, wasClean }) => this.on?.closed({ code, reason, clean: wasClean });
  }

  get open() {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** @param {object} event */
  send(event) {
    this.#socket.send(JSON.stringify(event));
  }

  close() {
    this.#socket.close(); // what it still has for the server goes out before
  }
}

/**
 * read returns the event that a frame has, or null.
 * @param {string} data
 */
function read(data) {
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}
