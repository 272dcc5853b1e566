// Rate counts by the second.

/** Rate is how many of something there were in each of the last seconds. */
export class Rate {
  #seconds; // a ring
  #now = second();

  /** n is how many seconds are kept. */
  constructor(n) {
    this.#seconds = new Array(n).fill(0);
  }

  add(n) {
    this.#turn();
    this.#seconds[this.#now % this.#seconds.length] += n;
  }

  /** ago is the count of a second: of the running one with 0, of the last whole one with 1. */
  ago(s) {
    this.#turn();
    return this.#seconds[(this.#now - s) % this.#seconds.length];
  }

  /** whole are the counts of all seconds but the running one, the oldest first. */
  get whole() {
    return this.#seconds.slice(1).map((_, i, { length }) => this.ago(length - i));
  }

  /** #turn forgets the seconds that are over. */
  #turn() {
    const now = second();
    for (let s = Math.max(this.#now, now - this.#seconds.length) + 1; s <= now; s++) this.#seconds[s % this.#seconds.length] = 0;
    this.#now = now;
  }
}

/** second is the running second; from as far on that there are some before it. */
const second = () => 1e6 + Math.floor(performance.now() / 1000);
