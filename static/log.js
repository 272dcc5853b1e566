// LogView shows the messages.

const MAX_LINES = 2000; // in the page; the oldest go
const BLOCK_LINES = 100; // laid out apart from the others, and removed together
const CALM_RATE = 5; // messages a second that are announced and animated
const HIDDEN_FLUSH_MS = 250; // how long a message waits when there are no frames

const AT_BOTTOM_PX = 4; // scroll positions are fractions, heights are rounded

/**
 * LogView shows the messages. They are collected and put into the page once a
 * frame, so that a flood costs no more than the frames do. It follows the newest
 * message only while the reader is at the bottom.
 */
export class LogView {
  #log;
  #end; // what stands below the messages
  #shown; // called with (total, unseen) when one of them may have changed
  #lines = 0; // in the log
  #pending = []; // lines to come
  #frame = 0; // 0: none is scheduled
  #fallback = 0;
  #following = true; // the newest message
  #position = 0; // where it was last scrolled to
  #rounded = 0; // what the last scroll position lacks
  #total = 0; // messages
  #seen = 0; // of them, while the reader was at the bottom
  #rate = new Rate();
  #clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });

  constructor(log, end, shown) {
    this.#log = log;
    this.#end = end;
    this.#shown = shown;
    log.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    log.addEventListener('keydown', (event) => this.#key(event));
    // The log shrinks when the composer grows or a phone's keyboard opens.
    const sizes = new ResizeObserver(() => this.#following && this.#toBottom());
    sizes.observe(log);
    sizes.observe(end);
  }

  /** message adds what somebody sent. */
  message(text) {
    this.#total++;
    this.#add('message', text);
  }

  /** note adds a line of the page's own. */
  note(text) {
    this.#add('note', text);
  }

  jumpToBottom() {
    this.#following = true;
    this.#toBottom();
    this.#report();
  }

  #add(kind, text) {
    this.#pending.push({ kind, text });
    // More would be removed again as soon as they are shown.
    if (this.#pending.length >= 2 * MAX_LINES) this.#pending.splice(0, MAX_LINES);
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => this.#flush());
    // A hidden tab has no frames.
    this.#fallback = setTimeout(() => this.#flush(), HIDDEN_FLUSH_MS);
  }

  #flush() {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#fallback);
    this.#frame = 0;
    const lines = this.#pending.slice(-MAX_LINES);
    this.#pending = [];

    const calm = this.#rate.count(lines.length) <= CALM_RATE;
    // No screen reader could keep up with a flood.
    this.#log.setAttribute('aria-live', calm ? 'polite' : 'off');
    this.#makeRoom(lines.length);
    this.#append(lines, calm);
    if (this.#following) this.#toBottom();
    this.#report();
  }

  /** #makeRoom removes the oldest blocks, unnoticed by a reader who is not at the bottom. */
  #makeRoom(wanted) {
    const { scrollTop } = this.#log; // before the removal, which may change it
    const removed = [];
    let height = 0;
    for (const block of this.#log.children) {
      if (block === this.#end || this.#lines + wanted <= MAX_LINES) break;
      removed.push(block);
      height += block.getBoundingClientRect().height;
      this.#lines -= block.childElementCount;
    }
    for (const block of removed) block.remove();
    if (height && !this.#following) this.#scrollExactly(scrollTop - height);
  }

  /** #scrollExactly makes up later for what the browser rounds, or the text would creep. */
  #scrollExactly(position) {
    const target = position + this.#rounded;
    this.#log.scrollTop = target;
    const rest = target - this.#log.scrollTop;
    this.#rounded = Math.abs(rest) < 1 ? rest : 0; // more is the end of the way
    this.#position = this.#log.scrollTop;
  }

  #append(lines, calm) {
    const time = this.#clock.format();
    const elements = lines.map(({ kind, text }) => {
      const line = document.createElement('div');
      line.className = calm ? `${kind} arriving` : kind;
      line.dataset.time = time;
      line.textContent = text; // never markup
      return line;
    });
    this.#lines += elements.length;
    while (elements.length) {
      const block = this.#lastBlock();
      block.append(...elements.splice(0, BLOCK_LINES - block.childElementCount));
    }
  }

  /** #lastBlock returns a block that has room. */
  #lastBlock() {
    let block = this.#end.previousElementSibling;
    if (!block || block.childElementCount >= BLOCK_LINES) {
      block = document.createElement('div');
      block.className = 'block';
      this.#end.before(block);
    }
    return block;
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#log;
    const below = scrollHeight - scrollTop - clientHeight;
    if (below <= AT_BOTTOM_PX) this.#following = true;
    // Only a reader scrolls up; the bottom also goes away when the log shrinks.
    else if (scrollTop < this.#position) this.#following = false;
    // Down to a bottom that a flood has moved meanwhile: by what comes in a tenth of a second.
    else if (scrollTop > this.#position && below <= (scrollHeight / this.#lines) * (this.#rate.count(0) / 10)) {
      this.#following = true;
    }
    this.#position = scrollTop;
    this.#report();
  }

  /** #key replaces smooth scrolling to an end that would have moved on by then. */
  #key(event) {
    if (event.key !== 'End') return;
    event.preventDefault();
    this.jumpToBottom();
  }

  #report() {
    if (this.#following) this.#seen = this.#total;
    this.#shown(this.#total, this.#total - this.#seen);
  }

  #toBottom() {
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#position = this.#log.scrollTop;
  }
}

/** Rate counts by the second. */
class Rate {
  #second = 0;
  #current = 0;
  #previous = 0;

  /** count adds n and returns the higher count of this second and the one before. */
  count(n) {
    const second = Math.floor(performance.now() / 1000);
    if (second !== this.#second) {
      this.#previous = second === this.#second + 1 ? this.#current : 0;
      this.#current = 0;
      this.#second = second;
    }
    this.#current += n;
    return Math.max(this.#current, this.#previous);
  }
}
