// The chat page: what the chat says is shown, and what is done here is told it.
//
//	client.js ── events ─▶ chat.js ─▶ RoomViews ─▶ RoomView: LogView, PendingView
//	    ▲                     │ ▲
//	    └──── say, join … ────┘ └──── Composer, RoomList, Who, Me

import { connect } from './client.js';
import { Composer } from './composer.js';
import { Graph } from './graph.js';
import { Me } from './me.js';
import { RoomList, takeRooms } from './roomlist.js';
import { RoomViews, addressOf, roomHere } from './roomviews.js';
import { Store } from './store.js';
import { Who } from './who.js';
import { closed, count, listening, number } from './words.js';

const NOTICE_MS = 8_000;
const STATES = { connecting: 'Connecting…', open: 'Connected', silent: 'No answer', retrying: 'Reconnecting', stopped: 'Disconnected' };

const find = (id) => document.getElementById(id);

/** tell puts text into an element, unless it is there: it would be announced again. */
function tell(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** show shows or hides a button; the focus must not vanish with it. */
function show(button, visible) {
  if (!visible && document.activeElement === button) composer.focus();
  button.hidden = !visible;
}

let noticed = 0;

/** notice says something that passes. */
function notice(text) {
  clearTimeout(noticed);
  tell(find('notice'), text);
  noticed = setTimeout(() => tell(find('notice'), ''), NOTICE_MS);
}

const stores = { tab: new Store('sessionStorage'), browser: new Store('localStorage') };

const me = new Me({
  button: find('me'), dialog: find('naming'), input: find('name'), hint: find('unnamed'), cancel: find('unchanged'),
  nameless: find('nameless'), guest: find('guest'), choose: find('choose'),
}, stores, async (name, before) => {
  composer.focus();
  try {
    await chat.rename(name);
  } catch (error) {
    me.take(before);
    notice(`The server does not take this name: ${error.message}`);
  }
});

if (!('WebSocket' in window)) {
  document.body.dataset.state = 'unsupported';
  tell(find('status'), 'Not supported');
  tell(find('refused'), 'Your browser does not support WebSockets.');
  await new Promise(() => {}); // for ever
}

/** tokenHere is the one that came with the page's address, behind the #, where no server sees it. The tab keeps it. */
function tokenHere() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (given) {
    stores.tab.setItem('token', given);
    history.replaceState(history.state, '', location.pathname + location.search);
  }
  return stores.tab.getItem('token') ?? '';
}

const chat = connect({ url: document.baseURI, room: roomHere(), name: me.name, token: tokenHere(), storage: stores.tab });

const composer = new Composer({
  form: find('composer'),
  input: find('input'),
  hint: find('hint'),
  size: find('size'),
  limit: () => chat.limits?.message ?? Infinity,
  send: (text) => chat.say(text, { room: rooms.current.name }),
  typed: (text) => { rooms.current.draft = text; },
});

const pending = {
  again(entry) {
    entry.again();
    composer.focus(); // the button is gone
  },
  edit(entry) {
    pending.remove(entry);
    composer.put(entry.text);
  },
  remove(entry) {
    entry.drop();
    rooms.get(entry.room).pending.remove(entry);
    refresh();
    composer.focus();
  },
};

const rooms = new RoomViews(chat, { template: find('view'), place: find('place'), actions: pending }, stores, {
  opened(room) {
    tell(find('room'), room.name);
    find('input').placeholder = `Message ${room.name}`;
    find('recent').replaceChildren(...rooms.recent.map((name) => new Option(name)));
    find('side').hidePopover();
    find('who').hidePopover();
    who.show({ members: [], count: 0 }, chat.id);
    composer.text = room.draft;
    draw();
  },
  changed: refresh,
  failed: notice,
});

const go = (name) => {
  rooms.go(name);
  composer.focus();
};
const list = new RoomList(find('rooms'), {
  open: go,
  leave(name) {
    if (rooms.get(name).pending.entries.length) notice(`What you said in ${name} is not confirmed yet.`);
    else rooms.leave(name);
    composer.focus();
  },
});
takeRooms({ form: find('join'), input: find('wanted'), hint: find('unwanted'), join: go });

const graph = new Graph(find('graph'));
const who = new Who(find('who'), () => chat.who(rooms.current.name).catch(() => {})); // the answer is an event

/** refresh shows what has changed in any room. */
function refresh() {
  const { all, current } = rooms;
  const unseen = all.reduce((sum, { log }) => sum + log.unseen, 0);
  const title = `${unseen ? `(${number(unseen)}) ` : ''}${current.name} – chatd`;
  if (document.title !== title) document.title = title;
  list.show(all, current.name);
  const elsewhere = unseen - current.log.unseen;
  tell(find('elsewhere'), elsewhere ? `${number(elsewhere)} new` : '');
  tell(find('members'), current.members ? `${number(current.members)} here` : '');
  tell(find('unseen'), current.log.unseen ? count(current.log.unseen, 'new message') : 'Newest');
  show(find('jump'), current.log.away);
  tell(find('kept'), keptWords(all.flatMap((room) => room.pending.entries)));
}

/** keptWords says what is to be known of what is not confirmed. */
function keptWords(entries) {
  const doubtful = entries.filter(({ state }) => state === 'unsure' || state === 'refused').length;
  if (doubtful) return `${count(doubtful, 'text')} may not be delivered: see above.`;
  if (!entries.length) return '';
  if (chat.readOnly) return 'Your text is kept, and sent when you can speak here.';
  if (chat.state === 'open') return '';
  return chat.state === 'stopped' ? 'Your text is kept. Connect to send it.' : 'Your text is kept, and sent when the connection is back.';
}

/** draw shows what a second has brought. */
function draw() {
  if (document.hidden) return;
  graph.show(rooms.current.log.rate);
  tell(find('flood'), rooms.current.log.flooded ? 'More than anybody could read: a sample is shown.' : '');
}

const events = {
  state({ state, seconds, refused, readOnly }) {
    document.body.dataset.state = state;
    tell(find('status'), readOnly && state === 'open' ? 'Listening' : STATES[state]);
    tell(find('listening'), readOnly ? listening(readOnly) : '');
    composer.muted = readOnly !== null;
    // The countdown stands apart from the status, because nobody wants to hear it tick.
    find('countdown').textContent = state !== 'retrying' ? '' : seconds ? ` in ${seconds} s…` : '…';
    tell(find('now'), state === 'stopped' ? 'Connect' : 'Now');
    find('now').ariaLabel = state === 'stopped' ? 'Connect again' : 'Reconnect now';
    show(find('now'), state === 'retrying' || state === 'stopped');
    if (refused) tell(find('refused'), 'The server answers, but does not accept the connection: it may be full, or not allow this address. It is tried again, more seldom each time.');
    else if (state === 'open') tell(find('refused'), '');
    refresh();
  },
  close({ code, reason }) {
    rooms.current.log.note(code ? closed(code, reason) : 'Connection closed: nobody answered on it.');
  },
  welcome(welcome) {
    me.show(welcome.id);
    composer.measure(); // the limit may be another one
    events.joined(welcome);
  },
  joined(joined) {
    rooms.get(joined.room)?.joined(joined);
    refresh();
  },
  left({ room, error }) {
    if (error) rooms.get(room)?.log.note(`You are no more in this room: ${error.message}`);
  },
  message(message) {
    rooms.get(message.room)?.message(message);
  },
  gap(gap) {
    rooms.get(gap.room)?.gap(gap);
  },
  members({ room, count: members }) {
    if (!rooms.get(room)) return;
    rooms.get(room).members = members;
    if (room === rooms.current.name) who.changed();
    refresh();
  },
  who(answer) {
    if (answer.room === rooms.current.name) who.show(answer, chat.id);
  },
  entry({ entry }) {
    rooms.get(entry.room)?.pending.show(entry);
    refresh();
  },
  error: ({ message }) => notice(message),
};
for (const [type, listener] of Object.entries(events)) chat.addEventListener(type, ({ detail }) => listener(detail));

for (const id of ['jump', 'now', 'send']) {
  // A tap must not take the focus from the input, nor close a phone's keyboard.
  find(id).addEventListener('mousedown', (event) => event.preventDefault());
}
find('jump').addEventListener('click', () => rooms.current.log.jumpToBottom());
find('now').addEventListener('click', () => chat.connect());
window.addEventListener('hashchange', () => { // a fresh link, in the same tab
  chat.token = tokenHere();
  chat.connect();
});
find('copy').addEventListener('click', async () => {
  const address = addressOf(rooms.current.name).href;
  try {
    await navigator.clipboard.writeText(address);
    notice('The link is copied.');
  } catch { // not allowed, or only with encryption
    notice(`The link to this room is ${address}`);
  }
});

window.addEventListener('beforeunload', (event) => {
  if (rooms.all.some((room) => room.pending.entries.length)) event.preventDefault(); // it would be lost
});
// What is a drawer on a phone stands beside the room on a desk.
matchMedia('(min-width: 54rem)').addEventListener('change', () => find('side').hidePopover());
document.addEventListener('visibilitychange', () => rooms.current.log.look());
setInterval(draw, 1000);

me.show('');
rooms.begin();
