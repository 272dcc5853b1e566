// Room is how far a room has been heard.

/** @typedef {{epoch: string, seq: number, resumed: boolean, members?: number}} Place what a welcome or a joined says of a room; no epoch: its first message tells it */

/**
 * Room is a room that the chat is in. The numbers of its messages grow, so that each is given
 * once and in order, whatever comes twice. Where several servers share a room there are holes:
 * what is missing the server tells.
 */
export class Room {
  /** @type {string} */
  name;
  joined = false; // on the present connection
  leaving = false; // it is to be left
  members = 0; // as the server last told
  epoch = ''; // of the life that seq belongs to; '' before the first welcome
  seq = 0; // of the last message that was heard, or passed over
  at = -1; // its time in ms; -1: not known
  begun = 0; // when it was joined on the present connection, by the own clock
  between = false; // something has come since
  #heard = 0; // of this epoch, before the present connection
  #lost = ''; // an epoch that is over, while the next one is not known
  #holes = false; // there are some between its numbers: they don't say how many messages are missing

  /**
   * @param {string} name
   * @param {string} since where to begin: a position, 'now', or '' for the history
   */
  constructor(name, since) {
    this.name = name;
    this.since = since;
  }

  /** position is where to resume; '' if nothing is known yet. */
  get position() {
    if (!this.epoch) return '';
    return this.at < 0 ? `${this.epoch}.${this.seq}` : `${this.epoch}.${this.seq}.${this.at}`;
  }

  /** from is where to begin, or to go on. */
  get from() {
    // Of what was said since then nothing is to be missed, even if nothing was heard before.
    return this.position || (this.begun ? '' : this.since);
  }

  /**
   * begin takes a welcome or a joined.
   * @param {Place} place
   */
  begin({ epoch, seq, resumed, members = this.members }) {
    this.joined = true;
    this.members = members;
    this.begun = Date.now();
    this.between = false;
    this.#heard = epoch === this.epoch ? this.seq : 0;
    if (!epoch) return;
    // More may have been heard since the position was sent, on an old connection that came alive.
    if (resumed && epoch === this.epoch && this.#heard >= seq) return;
    this.epoch = epoch;
    this.seq = seq;
    this.at = -1;
  }

  /**
   * miss takes a gap, and returns what of it was not heard; null if it all was.
   * @param {{from: number, to: number, why: string, epoch?: string}} gap
   */
  miss({ from, to, why, epoch }) {
    const lost = why === 'history' && this.between; // not because it is too old
    this.between = true;
    if (epoch) this.epoch = epoch; // the room's memory was lost while it was here
    if (why === 'epoch' && !epoch) {
      if (this.#lost === this.epoch && this.seq === to) return null; // it was told before
      this.#lost = this.epoch;
    }
    const heard = why === 'history' ? this.#heard : 0; // else the numbers are others
    this.seq = Math.max(to, heard);
    this.at = -1;
    const first = Math.max(from, heard + 1);
    if (why === 'history' && first > to) return null;
    return { room: this.name, from: first, to, why: lost ? 'lost' : why, count: this.#holes ? 0 : Math.max(0, to - first + 1) };
  }

  /**
   * find takes the place of a message that is the first of an epoch that was not told.
   * @param {{seq: number, epoch?: string}} message
   */
  find({ seq, epoch = this.epoch }) {
    if (epoch === this.epoch) return;
    this.epoch = epoch;
    this.seq = seq - 1;
  }

  /**
   * hear takes the next message; false if it was heard before.
   * @param {{seq: number, at: number}} message
   */
  hear({ seq, at }) {
    this.between = true;
    if (seq <= this.seq) return false;
    this.#holes ||= seq > this.seq + 1;
    this.seq = seq;
    this.at = at;
    return true;
  }
}
