// The chat page. Connection keeps the WebSocket up, LogView shows what comes,
// Composer sends what is typed; the last part of the file wires them together.

const MAX_LINES = 2000; // in the page; the oldest go
const BLOCK_LINES = 100; // laid out apart from the others, and removed together
const CALM_RATE = 5; // messages a second that are announced and animated
const HIDDEN_FLUSH_MS = 250; // how long a message waits when there are no frames

const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 15_000;
const ATTEMPT_MS = 10_000; // after which a connection attempt is given up
const STABLE_MS = 5_000; // a connection that lasted so long was a good one

const AT_BOTTOM_PX = 4; // scroll positions are fractions, heights are rounded

/**
 * Connection is a WebSocket that comes back. It calls the listener's
 *   opened(), received(data), lost() - once for each loss, not for each retry -,
 *   and retrying(seconds), with the seconds until the next attempt, 0 during it.
 */
class Connection {
  #url;
  #listener;
  #socket = null;
  #timer = 0; // of the running attempt or the wait for the next one
  #failures = 0; // in a row
  #openedAt = 0;
  #down = false; // reported as lost
  #waiting = false;

  constructor(url, listener) {
    this.#url = url;
    this.#listener = listener;
  }

  /** send reports whether the text was handed to an open connection. */
  send(text) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(text);
    return true;
  }

  connect() {
    clearTimeout(this.#timer);
    this.#waiting = false;
    if (this.#down) this.#listener.retrying(0);
    const socket = new WebSocket(this.#url);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => this.#opened();
    socket.onmessage = (event) => this.#listener.received(event.data);
    socket.onclose = () => this.#closed();
    this.#socket = socket;
    this.#timer = setTimeout(() => socket.close(), ATTEMPT_MS);
  }

  /** hurry ends a wait for the next attempt: there is reason to believe that it works now. */
  hurry() {
    if (this.#waiting) this.connect();
  }

  #opened() {
    clearTimeout(this.#timer);
    this.#openedAt = performance.now();
    this.#down = false;
    this.#listener.opened();
  }

  #closed() {
    clearTimeout(this.#timer);
    // A server that accepts and hangs up at once must not be asked again at once for ever.
    if (this.#openedAt && performance.now() - this.#openedAt > STABLE_MS) this.#failures = 0;
    this.#openedAt = 0;
    if (!this.#down) {
      this.#down = true;
      this.#listener.lost();
    }
    // Full jitter: clients of a server that restarts don't come back all together.
    const limit = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.#failures++);
    this.#waiting = true;
    this.#countDown(performance.now() + Math.random() * limit);
  }

  #countDown(deadline) {
    const left = deadline - performance.now();
    if (left <= 0) {
      this.connect();
      return;
    }
    this.#listener.retrying(Math.ceil(left / 1000));
    this.#timer = setTimeout(() => this.#countDown(deadline), left % 1000 || 1000);
  }
}

/**
 * LogView shows the messages. They are collected and put into the page once a
 * frame, so that a flood costs no more than the frames do. It follows the newest
 * message only while the reader is at the bottom.
 */
class LogView {
  #log;
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

  constructor(log, shown) {
    this.#log = log;
    this.#shown = shown;
    log.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    log.addEventListener('keydown', (event) => this.#key(event));
    // The log shrinks when the composer grows or a phone's keyboard opens.
    new ResizeObserver(() => this.#following && this.#toBottom()).observe(log);
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
      if (this.#lines + wanted <= MAX_LINES) break;
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
    let block = this.#log.lastElementChild;
    if (!block || block.childElementCount >= BLOCK_LINES) {
      block = document.createElement('div');
      block.className = 'block';
      this.#log.append(block);
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

/** Composer is the field at the bottom: Enter sends, what can't be sent stays. */
class Composer {
  #input;
  #hint;
  #send;

  /** send(text) returns whether the text is on its way. */
  constructor(form, input, hint, send) {
    this.#input = input;
    this.#hint = hint;
    this.#send = send;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    input.addEventListener('keydown', (event) => this.#key(event));
    input.addEventListener('input', () => this.#fit());
    window.addEventListener('resize', () => this.#fit());
    this.#fit(); // the browser may have restored a text
  }

  focus() {
    this.#input.focus();
  }

  clearHint() {
    this.#hint.textContent = '';
  }

  #key(event) {
    // With an input method Enter picks a word. Safari ends the composition before
    // it reports the key, and gives it the code 229.
    const composing = event.isComposing || event.keyCode === 229;
    if (event.key !== 'Enter' || event.shiftKey || composing) return;
    event.preventDefault();
    this.#submit();
  }

  #submit() {
    const text = this.#input.value;
    if (text.trim() === '') return;
    if (!this.#send(text)) {
      this.#hint.textContent = 'Not connected. Your text stays here until it can be sent.';
      return;
    }
    this.#input.value = '';
    this.#fit();
    this.focus();
  }

  /** #fit makes the field as high as its text; the style sheet has the limit. */
  #fit() {
    this.#input.style.height = 'auto';
    this.#input.style.height = `${this.#input.scrollHeight}px`;
  }
}

/** show shows or hides a button; the focus must not vanish with it. */
function show(button, visible) {
  if (!visible && document.activeElement === button) composer.focus();
  button.hidden = !visible;
}

const find = (id) => document.getElementById(id);
const numbers = new Intl.NumberFormat();
const count = (n, what) => `${numbers.format(n)} ${what}${n === 1 ? '' : 's'}`;

/** setState shows the state of the connection. */
function setState(state, text, countdown = '') {
  document.body.dataset.state = state;
  // Set only if it changes, or it is announced again.
  if (find('status').textContent !== text) find('status').textContent = text;
  // The countdown stands apart from the status, because nobody wants to hear it tick.
  find('countdown').textContent = countdown;
  find('send').setAttribute('aria-disabled', String(state !== 'open'));
  show(find('now'), state === 'retrying');
}

const log = new LogView(find('log'), (total, unseen) => {
  find('counter').textContent = count(total, 'message');
  find('unseen').textContent = count(unseen, 'new message');
  show(find('jump'), unseen > 0);
});

const connection = new Connection(String(new URL('ws', document.baseURI)).replace(/^http/, 'ws'), {
  opened() {
    setState('open', 'Connected');
    composer.clearHint();
  },
  received(data) {
    log.message(typeof data === 'string' ? data : `[binary, ${count(data.byteLength, 'byte')}]`);
  },
  lost: () => log.note('Connection closed.'),
  retrying: (seconds) => setState('retrying', 'Reconnecting', seconds ? ` in ${seconds} s…` : '…'),
});

const composer = new Composer(find('composer'), find('input'), find('hint'), (text) => connection.send(text));

for (const id of ['jump', 'now', 'send']) {
  // A tap must not take the focus from the input, nor close a phone's keyboard.
  find(id).addEventListener('mousedown', (event) => event.preventDefault());
}
find('jump').addEventListener('click', () => log.jumpToBottom());
find('now').addEventListener('click', () => connection.hurry());
window.addEventListener('online', () => connection.hurry());
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) connection.hurry();
});

if ('WebSocket' in window) {
  connection.connect();
} else {
  setState('unsupported', 'Not supported');
  log.note('Your browser does not support WebSockets.');
}
