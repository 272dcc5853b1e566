// RoomView is a room: its messages, what was said in it and is not confirmed, and
// what is being typed.

import { LogView } from './log.js';
import { PendingView } from './pending.js';
import { missing } from './words.js';

/** RoomView stands for a room as long as this page is in it. */
export class RoomView {
  name;
  log;
  pending;
  members = 0;
  #element;
  #messages;
  #drafts;
  #again = false; // it was joined, not for the first time
  #marking = false; // what was missed then, once it comes

  /** template is that of its element, which is put into place; changed() is called when something to be told has. */
  constructor(name, { template, place, drafts, actions, changed }) {
    this.name = name;
    this.#drafts = drafts;
    this.#element = template.content.firstElementChild.cloneNode(true);
    this.#element.hidden = true;
    place.append(this.#element);
    this.#messages = this.#element.querySelector('.log');
    this.#messages.ariaLabel = `Messages in ${name}`;
    const end = this.#messages.querySelector('.end');
    this.pending = new PendingView(end, actions);
    this.log = new LogView(this.#messages, end, changed);
  }

  /** draft is what is being typed. */
  get draft() {
    return this.#drafts.getItem(`draft ${this.name}`) ?? '';
  }

  set draft(text) {
    this.#drafts.setItem(`draft ${this.name}`, text);
  }

  show() {
    this.#element.hidden = false;
    this.#messages.id = 'log'; // of the room that is shown, for scripts that read the page
    this.log.show();
  }

  hide() {
    this.#element.hidden = true;
    this.#messages.removeAttribute('id');
    this.log.hide();
  }

  remove() {
    this.#element.remove();
  }

  /** joined says that the room was joined, perhaps again: what was missed comes next. */
  joined({ members, again }) {
    this.members = members;
    this.#again = again;
    this.#marking = again;
  }

  message(message) {
    if (message.missed) this.#mark();
    else this.#marking = false;
    this.log.message(message, message.missed && !this.#again);
  }

  gap(gap) {
    if (gap.why !== 'lost') this.#mark();
    this.log.note(missing(gap));
  }

  #mark() {
    if (this.#marking) this.log.mark('While you were away');
    this.#marking = false;
  }
}
