// The chat page. Connection keeps the WebSocket up, Watch finds out when nobody
// answers, Server asks for the limits, Outbox holds what was typed until it is
// confirmed, LogView and PendingView show what came and what has not, Composer takes
// what is typed. This file wires them together.

import { Composer } from './composer.js';
import { Connection } from './connection.js';
import { LogView } from './log.js';
import { Outbox } from './outbox.js';
import { PendingView } from './pending.js';
import { Server } from './server.js';
import { Watch } from './watch.js';
import { closed, count } from './words.js';

const REFUSALS = 3; // in a row, after which it is asked whether they are any

const find = (id) => document.getElementById(id);

/** below is the address of something beside the page, whatever the path that a proxy serves it at. */
const below = (name) => new URL(name, document.baseURI);

/** show shows or hides a button; the focus must not vanish with it. */
function show(button, visible) {
  if (!visible && document.activeElement === button) composer.focus();
  button.hidden = !visible;
}

/** say puts text into an element, unless it is there: it would be announced again. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** setState shows the state of the connection. */
function setState(state, text, countdown = '') {
  document.body.dataset.state = state;
  say(find('status'), text);
  // The countdown stands apart from the status, because nobody wants to hear it tick.
  find('countdown').textContent = countdown;
  find('now').textContent = state === 'stopped' ? 'Connect' : 'Now';
  find('now').ariaLabel = state === 'stopped' ? 'Connect again' : 'Reconnect now';
  show(find('now'), state === 'retrying' || state === 'stopped');
  tell();
}

const log = new LogView(find('log'), find('pending'), (total, unseen) => {
  find('counter').textContent = count(total, 'message');
  find('unseen').textContent = count(unseen, 'new message');
  show(find('jump'), unseen > 0);
});

/** The room that the page is for: / is the lobby's. */
const room = location.pathname.slice(new URL(document.baseURI).pathname.length).match(/^r\/([^/]+)$/)?.[1] ?? 'lobby';
if (room !== 'lobby') {
  document.title = `${room} – chatd`;
  find('room').textContent = room;
}

const socket = below(room === 'lobby' ? 'ws' : `ws/${room}`);
socket.protocol = socket.protocol === 'https:' ? 'wss:' : 'ws:';
const server = new Server(below(room === 'lobby' ? 'status.json' : `status.json?room=${room}`), () => {
  composer.measure();
  outbox.flush();
});

const connection = new Connection(socket, {
  opened() {
    told = false;
    answeredAt = Infinity;
    setState('open', 'Connected');
    outbox.opened();
    server.begin();
    watch.heard();
  },
  received(data) {
    server.received();
    log.message(typeof data === 'string' ? data : `[binary, ${count(data.byteLength, 'byte')}]`);
    if (typeof data === 'string') outbox.received(data);
    watch.heard();
  },
  lost(close) {
    log.note(closed(close.code, close.reason));
    outbox.lost(close, close.reason);
  },
  replaced(end) {
    log.note('Connection closed: nobody answered on it.');
    outbox.replaced(end);
  },
  doubted() {
    setState('silent', 'No answer');
    outbox.flush();
  },
  trusted() {
    setState('open', 'Connected');
    outbox.flush();
  },
  retrying(seconds, failures) {
    setState('retrying', 'Reconnecting', seconds ? ` in ${seconds} s…` : '…');
    if (failures >= REFUSALS) tellRefusal(failures);
  },
  stopped: () => setState('stopped', 'Disconnected'),
});

let answeredAt = Infinity; // the failures after which the server answered
let told = false; // that the connection is refused

/** tellRefusal says so if it is not the network that keeps the page away. */
async function tellRefusal(failures) {
  if (told) return;
  if (answeredAt < Infinity) {
    if (failures < answeredAt + 2) return; // an attempt may have begun before the answer
    told = true;
    log.note('The server answers, but does not accept the connection: it may be full, or not allow this address. It is tried again, more seldom each time.');
  } else if (await server.answers()) {
    answeredAt = failures;
  }
}

const pending = new PendingView(find('pending'), {
  again(entry) {
    outbox.again(entry);
    composer.focus(); // the button is gone
  },
  remove(entry) {
    outbox.remove(entry);
    composer.focus();
  },
  edit(entry) {
    outbox.remove(entry);
    composer.put(entry.text);
  },
});

const outbox = new Outbox(connection, server, () => {
  pending.show(outbox.entries);
  tell();
});

/** tell says what is to be known of the entries that are not confirmed. */
function tell() {
  say(find('kept'), notice(outbox.entries, document.body.dataset.state));
}

function notice(entries, state) {
  const of = (...states) => entries.filter(({ state }) => states.includes(state)).length;
  if (of('unsure', 'refused')) return `${count(of('unsure', 'refused'), 'text')} may not be delivered: see above.`;
  if (!entries.length || state === 'open') return '';
  return state === 'stopped' ? 'Your text is kept. Connect to send it.' : 'Your text is kept, and sent when the connection is back.';
}

const composer = new Composer({
  form: find('composer'),
  input: find('input'),
  hint: find('hint'),
  size: find('size'),
  limit: () => server.limit,
  send: (text) => outbox.add(text),
});

const watch = new Watch(connection, outbox, server);

for (const id of ['jump', 'now', 'send']) {
  // A tap must not take the focus from the input, nor close a phone's keyboard.
  find(id).addEventListener('mousedown', (event) => event.preventDefault());
}
find('jump').addEventListener('click', () => log.jumpToBottom());
find('now').addEventListener('click', () => connection.connect());

window.addEventListener('beforeunload', (event) => {
  if (outbox.entries.length) event.preventDefault(); // what is not confirmed would be lost
});

if ('WebSocket' in window) {
  connection.connect();
} else {
  setState('unsupported', 'Not supported');
  find('input').disabled = true;
  find('send').disabled = true;
  log.note('Your browser does not support WebSockets.');
}
