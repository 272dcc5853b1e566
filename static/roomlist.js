// RoomList lists the rooms that the page is in, and takes one into another.

import { number } from './words.js';

const ROOM = /^(?!\.{1,2}$)[A-Za-z0-9._~-]{1,64}$/;

/** RoomList is a list of buttons, one a room, with how many messages are new there. */
export class RoomList {
  #list;
  #actions;
  #items = new Map(); // by the rooms' names

  /** The actions are functions of a room's name: open, leave. */
  constructor(list, actions) {
    this.#list = list;
    this.#actions = actions;
  }

  /** show shows the rooms; current is the one that is open. */
  show(rooms, current) {
    const names = new Set(rooms.map(({ name }) => name));
    for (const [name, { item }] of this.#items) {
      if (names.has(name)) continue;
      item.remove();
      this.#items.delete(name);
    }
    for (const { name, log } of rooms) {
      if (!this.#items.has(name)) this.#items.set(name, this.#add(name));
      const { open, badge, leave } = this.#items.get(name);
      set(open, 'ariaCurrent', name === current ? 'page' : null);
      set(badge, 'textContent', log.unseen && name !== current ? `${number(log.unseen)} new` : '');
      set(leave, 'hidden', rooms.length === 1);
    }
  }

  #add(name) {
    const item = document.createElement('li');
    const open = element('button', 'open');
    const badge = element('span', 'badge');
    const leave = element('button', 'leave', '×');
    leave.ariaLabel = `Leave ${name}`;
    open.append(element('span', 'label', name), ' ', badge);
    open.addEventListener('click', () => this.#actions.open(name));
    leave.addEventListener('click', () => this.#actions.leave(name));
    item.append(open, leave);
    this.#list.append(item);
    return { item, open, badge, leave };
  }
}

function element(tag, kind, text = '') {
  const made = document.createElement(tag);
  made.className = kind;
  made.textContent = text;
  if (tag === 'button') made.type = 'button';
  return made;
}

/** set sets what is not so yet: in a flood it is asked for often. */
function set(element, property, value) {
  if (element[property] !== value) element[property] = value;
}

/** takeRooms makes a form take the name of a room to join, one of the recent ones for instance. */
export function takeRooms({ form, input, hint, join }) {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const name = input.value.trim();
    if (!ROOM.test(name)) {
      hint.textContent = 'A room’s name is 1 to 64 of the letters A to Z, digits, and . _ ~ -';
      input.setAttribute('aria-invalid', 'true');
      input.focus();
      return;
    }
    input.value = '';
    join(name);
  });
  input.addEventListener('input', () => {
    hint.textContent = '';
    input.setAttribute('aria-invalid', 'false');
  });
}
