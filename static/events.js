// Events is the way to the server where no WebSocket opens: server-sent events, and POST.

// A browser has six connections to a host over HTTP/1.1, for all its tabs: one that has
// more streams than that would wait for ever with all else.
const ROOMS = 3;

const SILENT_MS = 150_000; // without anything, not even a comment, after which a stream is given up
const ANSWER_MS = 15_000; // in which a publish should be answered: the server itself takes up to 10 s
const LATER_MOST_S = 3_600; // that it is put off

/** @typedef {{type: 'say', room: string, text: string, nonce: string}} Say */

/**
 * Events speaks chat.v1 for a server of which it reads a stream for each room, and to
 * which it publishes by POST, one text after the other: so they stay in order. It
 * implements Way. In chat.v1 it says what the server does not:
 *
 *   welcome, joined  a stream has begun. Its place is the position that it was asked for; where
 *                    there was none, that of the first message, which has its epoch with it
 *   placed           a text is published: it has its place
 *   later            one that the room does not take yet, and that is sent again then
 *   mute             from now on nothing can be said; with a nonce, that text was not taken
 *   who              the server is there; who is in a room it does not tell
 *
 * It ends as a whole: with the first stream that does, or if nobody knows what became of
 * a text.
 */
export class Events {
  /** @type {import('./types.js').Transport} */
  name = 'events';
  window = 1;
  open = false;
  /** @type {import('./connection.js').Told | null} */
  on = null;
  #base;
  #token;
  #author; // the name that texts have
  /** @type {Map<string, AbortController>} by the rooms' names */
  #streams = new Map();
  #publishing = 0; // texts of which it is not known yet
  #end = new AbortController();

  /** @param {import('./connection.js').Ticket} ticket */
  constructor({ base, room, since, token, name }) {
    this.#base = base;
    this.#token = token;
    this.#author = name;
    void this.#read(room, since);
  }

  /** @param {any} event */
  send(event) {
    switch (event.type) {
      case 'say':
        void this.#publish(event);
        break;
      case 'join':
        this.#join(event);
        break;
      case 'leave':
        this.#streams.get(event.room)?.abort();
        this.#streams.delete(event.room);
        this.#tell({ type: 'left', room: event.room });
        break;
      case 'name':
        this.#author = event.name;
        break;
      case 'who':
        void this.#knock(event.room);
        break;
    }
  }

  close() {
    this.#close({ code: 1006, reason: '', clean: false });
  }

  /** @param {{room: string, since?: string}} join */
  #join({ room, since = '' }) {
    if (this.#streams.size < ROOMS) void this.#read(room, since);
    else this.#tell({ type: 'error', code: 'too_many_rooms', message: `without a WebSocket one can be in ${ROOMS} rooms` });
  }

  /**
   * #read reads a room's stream until it ends.
   * @param {string} room
   * @param {string} since
   */
  async #read(room, since) {
    const end = new AbortController();
    this.#streams.set(room, end);
    let clean = false;
    let silent = 0;
    const heard = () => {
      clearTimeout(silent);
      silent = setTimeout(() => this.close(), SILENT_MS);
    };
    try {
      const response = await fetch(this.#address(room, 'events', { since, token: this.#token }), {
        cache: 'no-store', signal: AbortSignal.any([end.signal, this.#end.signal]),
      });
      if (!response.ok && this.open) {
        this.#streams.delete(room);
        const { detail } = await answerOf(response);
        this.#tell({ type: 'error', code: codeOf(response.status), message: detail });
        return;
      }
      if (!response.ok || !response.body || !response.headers.get('Content-Type')?.startsWith('text/event-stream')) throw new Error('no events');
      let begun = false;
      for await (const { event, data, id, retry } of blocks(response.body, heard)) {
        if (!begun) this.#begin(room, since, Number(retry));
        begun = true;
        if (event) this.#tell({ ...JSON.parse(data), epoch: id?.split('.')[0] });
      }
      clean = true; // the server goes away
    } catch {
      // it broke off, or never came
    } finally {
      clearTimeout(silent);
    }
    if (end.signal.aborted) return;
    this.#close(clean ? { code: 1001, reason: '', clean: this.#publishing === 0 } : { code: 1006, reason: '', clean });
  }

  /**
   * #begin says that a stream has begun: its first block, that is, as a proxy may keep the
   * others for itself.
   * @param {string} room
   * @param {string} since
   * @param {number} retry in ms; NaN: it does not say
   */
  #begin(room, since, retry) {
    const [, epoch = '', seq = '0'] = since.match(/^([^.]+)\.(\d+)/) ?? [];
    const place = { room, epoch, seq: Number(seq), resumed: epoch !== '' };
    if (this.open) {
      this.#tell({ type: 'joined', ...place });
      return;
    }
    this.open = true;
    this.on?.opened();
    if (!this.#token) this.#tell({ type: 'mute', code: 'no_token', message: 'without a WebSocket, only who has a token may speak' });
    this.#tell({ type: 'welcome', ...place, name: this.#author, limits: { rooms: ROOMS }, retry: retry ? { min_ms: retry } : {} });
  }

  /**
   * #publish publishes a text, as often as it is put off.
   * @param {Say} say
   */
  async #publish({ room, text, nonce }) {
    this.#publishing++;
    try {
      for (;;) {
        const response = await fetch(this.#address(room, 'messages'), {
          method: 'POST',
          headers: { Authorization: `Bearer ${this.#token}`, 'Content-Type': 'application/json' },
          body: JSON.stringify({ text, name: this.#author, nonce }),
          signal: AbortSignal.any([this.#end.signal, AbortSignal.timeout(ANSWER_MS)]),
        });
        const wait = await this.#answered(response, nonce);
        if (!wait) break;
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    } catch {
      this.close(); // is it published? what follows on the next way will tell
    } finally {
      this.#publishing--;
    }
  }

  /**
   * #answered tells what became of a text, and returns after how many ms to try again; 0: not.
   * @param {Response} response
   * @param {string} nonce
   */
  async #answered(response, nonce) {
    const { status, headers } = response;
    const later = Math.min(Number(headers.get('Retry-After')), LATER_MOST_S) * 1000;
    const { detail: message, ...place } = await answerOf(response);
    if (response.ok && place.seq) {
      this.#tell({ type: 'placed', ...place, nonce });
    } else if ((status === 429 || status === 503) && later > 0) {
      this.#tell({ type: 'later', nonce, ms: later });
      return later;
    } else if (status === 401 || status === 403) {
      this.#tell({ type: 'mute', code: 'not_allowed', message, nonce });
    } else if (status === 413 || status === 422 || status === 400 || status === 404) {
      this.#tell({ type: 'error', code: codeOf(status), message, nonce });
    } else {
      throw new Error(`${status}`);
    }
    return 0;
  }

  /**
   * #knock answers who is there only if the server is.
   * @param {string} room
   */
  async #knock(room) {
    try {
      const response = await fetch(new URL('status.json', this.#base), { cache: 'no-store', signal: this.#end.signal });
      await response.text();
      if (response.status < 500) this.#tell({ type: 'who', room, members: [] });
    } catch {
      // nobody is
    }
  }

  /**
   * @param {string} room
   * @param {string} what
   * @param {Record<string, string>} [query]
   */
  #address(room, what, query = {}) {
    const url = new URL(`rooms/${encodeURIComponent(room)}/${what}`, this.#base);
    for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
    return url;
  }

  /** @param {object} event */
  #tell(event) {
    if (!this.#end.signal.aborted) this.on?.received(event);
  }

  /** @param {{code: number, reason: string, clean: boolean}} close */
  #close(close) {
    if (this.#end.signal.aborted) return;
    this.#end.abort();
    this.open = false;
    queueMicrotask(() => this.on?.closed(close)); // as a WebSocket does: not before close has returned
  }
}

/**
 * blocks takes a stream apart (HTML §9.2.6): the fields of each block. The server writes no
 * field twice, and ends its lines with a line feed.
 * @param {ReadableStream<BufferSource>} body
 * @param {() => void} heard is called for all that comes, comments too
 * @returns {AsyncGenerator<Record<string, string>>}
 */
async function* blocks(body, heard) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    heard();
    const all = (rest + value).split('\n\n');
    rest = all.pop() ?? '';
    for (const block of all) yield Object.fromEntries(block.split('\n').map((line) => line.split(/: ?(.*)/s, 2)));
  }
}

/**
 * codeOf is the code of chat.v1 for a status with which something is refused.
 * @param {number} status
 */
function codeOf(status) {
  switch (status) {
    case 400: case 404: return 'bad_room';
    case 401: case 403: return 'not_allowed';
    case 413: return 'too_long';
    case 422: return 'bad_event';
    default: return 'too_many_rooms'; // 429, 503
  }
}

/**
 * answerOf is what an answer says: of a refusal, detail says why (RFC 9457).
 * @param {Response} response
 * @returns {Promise<Record<string, any>>}
 */
async function answerOf(response) {
  const detail = `the answer is ${response.status} ${response.statusText}`; // of a proxy
  try {
    return { detail, ...await response.json() };
  } catch {
    return { detail };
  }
}
