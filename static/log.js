// LogView shows the messages of a room.

import { Lines } from './lines.js';
import { Rate } from './rate.js';

const MAX_LINES = 2000; // in the page; the oldest go
const BLOCK_LINES = 100; // laid out apart from the others, and removed together
const CALM_RATE = 5; // messages a second that are announced and animated
const HIDDEN_FLUSH_MS = 250; // how long a message waits when there are no frames

// Nobody reads as many as this: of a flood a sample is shown, and said so.
const FLOOD_RATE = 100; // messages a second
const SAMPLE_MS = 500;
const SAMPLE_LINES = 5; // of each SAMPLE_MS, the newest

const AT_BOTTOM_PX = 4; // scroll positions are fractions, heights are rounded

/**
 * LogView shows the messages. They are collected and put into the page once a
 * frame, or, in a flood, some of them twice a second, so that a flood costs no more
 * than that. It follows the newest message only while the reader is at the bottom.
 * One that is not visible puts nothing into the page until it is.
 */
export class LogView {
  #log;
  #end; // what stands below the messages
  #changed; // called when what it tells may have changed
  #lines = new Lines();
  #shown = 0; // elements in the log
  #coming = []; // items
  #left = 0; // of those that came, not to be shown
  #frame = 0; // 0: none is scheduled
  #timer = 0;
  #visible = false;
  #following = true; // the newest message
  #position = 0; // where it was last scrolled to
  #rounded = 0; // what the last scroll position lacks
  #total = 0; // messages that somebody may want to see
  #seen = 0; // of them, while the reader was at the bottom
  #rate = new Rate(61); // of what is said, for a minute
  #put = new Rate(2); // of what is put into the page

  constructor(log, end, changed) {
    this.#log = log;
    this.#end = end;
    this.#changed = changed;
    log.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    log.addEventListener('keydown', (event) => this.#key(event));
    // The log shrinks when the composer grows or a phone's keyboard opens.
    const sizes = new ResizeObserver(() => this.#following && this.#toBottom());
    sizes.observe(log);
    sizes.observe(end);
  }

  /** unseen is how many messages came since the reader was at the bottom. */
  get unseen() {
    return this.#total - this.#seen;
  }

  /** away reports whether the reader has scrolled away from the newest. */
  get away() {
    return !this.#following;
  }

  /** flooded reports whether only a sample is shown. */
  get flooded() {
    return this.#rate.ago(1) > FLOOD_RATE;
  }

  /** rate is that of the messages. */
  get rate() {
    return this.#rate;
  }

  /** message adds what somebody said; an old one is nothing new to the reader. */
  message(message, old) {
    if (!message.missed) this.#rate.add(1);
    if (!message.own && !old) this.#total++;
    this.#add({ kind: 'message', message });
  }

  /** note adds a line of the page's own. */
  note(text) {
    this.#add({ kind: 'note', text });
  }

  /** mark adds a heading for what comes now. */
  mark(text) {
    this.#add({ kind: 'mark', text });
  }

  /** show and hide say whether it is visible. */
  show() {
    this.#visible = true;
    this.#flush(MAX_LINES);
    this.look();
  }

  hide() {
    this.#visible = false;
  }

  /** look says that the reader sees the page. */
  look() {
    if (this.#following) this.#toBottom();
    this.#report();
  }

  jumpToBottom() {
    this.#following = true;
    this.look();
  }

  #add(item) {
    this.#coming.push(item);
    // More would be removed again as soon as they are shown.
    if (this.#coming.length >= 2 * MAX_LINES) this.#left += this.#coming.splice(0, MAX_LINES).filter(ofOthers).length;
    if (!this.#frame) this.#schedule();
  }

  #schedule() {
    this.#frame = this.flooded ? -1 : requestAnimationFrame(() => this.#flush());
    // A hidden tab has no frames.
    this.#timer = setTimeout(() => this.#flush(), this.flooded ? SAMPLE_MS : HIDDEN_FLUSH_MS);
  }

  #flush(most = this.flooded ? SAMPLE_LINES : MAX_LINES) {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#frame = 0;
    if (this.#visible) this.#show(this.#sample(this.#coming.splice(0), most));
    this.#report();
  }

  #show(items) {
    this.#put.add(items.length);
    const calm = Math.max(this.#put.ago(0), this.#put.ago(1)) <= CALM_RATE;
    // No screen reader could keep up with a flood.
    this.#log.setAttribute('aria-live', calm ? 'polite' : 'off');
    this.#append(items, calm);
    this.#makeRoom();
    if (this.#following) this.#toBottom();
  }

  /** #sample returns the items to be shown, most messages of others at most, with a word on those that are not. */
  #sample(items, most) {
    const first = items.length - most;
    const kept = items.filter((item, i) => i >= first || !ofOthers(item));
    const left = this.#left + items.length - kept.length;
    this.#left = 0;
    return left ? [{ kind: 'left', left }, ...kept] : kept;
  }

  #append(items, calm) {
    for (const item of items) {
      const block = this.#lastBlock();
      const lines = this.#lines.make(item, block.childElementCount === 0);
      if (calm) for (const line of lines) line.classList.add('arriving');
      block.append(...lines);
      this.#shown += lines.length;
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

  /** #makeRoom removes the oldest blocks, unnoticed by a reader who is not at the bottom. */
  #makeRoom() {
    const { scrollTop } = this.#log; // before the removal, which may change it
    const removed = [];
    let height = 0;
    for (const block of this.#log.children) {
      if (block === this.#end || this.#shown <= MAX_LINES) break;
      removed.push(block);
      height += block.getBoundingClientRect().height;
      this.#shown -= block.childElementCount;
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

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#log;
    const below = scrollHeight - scrollTop - clientHeight;
    if (below <= AT_BOTTOM_PX) this.#following = true;
    // Only a reader scrolls up; the bottom also goes away when the log shrinks.
    else if (scrollTop < this.#position) this.#following = false;
    // Down to a bottom that a flood has moved meanwhile.
    else if (scrollTop > this.#position && below <= clientHeight / 4 && this.flooded) this.#following = true;
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
    if (this.#visible && this.#following && !document.hidden) this.#seen = this.#total;
    this.#changed();
  }

  #toBottom() {
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#position = this.#log.scrollTop;
  }
}

/** ofOthers reports whether an item may be left out: neither the page's own nor the reader's. */
const ofOthers = ({ message }) => message !== undefined && !message.own;
