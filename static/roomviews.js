// RoomViews are the rooms that the page is in, of which it shows one.

import { RoomView } from './room.js';

const RECENT = 20; // rooms that are remembered

const base = document.baseURI;

/** addressOf is a room's page; / is the lobby's. */
export const addressOf = (room) => new URL(room === 'lobby' ? './' : `r/${room}`, base);

/** roomHere is the room of the page's address. */
export const roomHere = () => location.pathname.slice(new URL(base).pathname.length).match(/^r\/([^/]+)$/)?.[1] ?? 'lobby';

/**
 * RoomViews takes the reader from room to room, on the one connection of the chat.
 * The address is that of the room that is shown; the tab remembers the others, and
 * the browser those where one was before. It calls the listener's
 *   opened(view, before) - another room is shown than before;
 *   changed() - something to be told of any room has changed;
 *   failed(text) - the server did not do what was asked for.
 */
export class RoomViews {
  current = null; // the RoomView that is shown
  #chat;
  #options;
  #tab;
  #browser;
  #listener;
  #views = new Map(); // by name, in the order in which they are listed

  /** options are those of each RoomView; tab and browser are Stores. */
  constructor(chat, options, { tab, browser }, listener) {
    this.#chat = chat;
    this.#options = { ...options, drafts: tab, changed: () => listener.changed() };
    this.#tab = tab;
    this.#browser = browser;
    this.#listener = listener;
    window.addEventListener('popstate', () => this.go(roomHere()));
  }

  /** all are the RoomViews, as they are listed. */
  get all() {
    return [...this.#views.values()];
  }

  /** recent are the names of rooms where one was, the last first. */
  get recent() {
    return this.#browser.list('recent');
  }

  get(name) {
    return this.#views.get(name);
  }

  /** begin shows the room of the page's address, which the chat joins by itself, and joins those where the tab was. */
  begin() {
    const here = roomHere();
    const others = this.#tab.list('rooms').filter((name) => name !== here);
    this.#open(here);
    for (const name of others) this.#join(name);
  }

  /** go shows a room, which is joined if need be. */
  go(name) {
    if (name !== roomHere()) history.pushState(null, '', addressOf(name));
    if (!this.#chat.rooms.has(name)) this.#join(name);
    this.#open(name);
  }

  async leave(name) {
    this.#remove(name);
    try {
      if (this.#chat.rooms.has(name)) await this.#chat.leave(name);
    } catch (error) {
      this.#listener.failed(`${name} can’t be left: ${error.message}`);
    }
  }

  async #join(name) {
    this.#view(name);
    try {
      await this.#chat.join(name);
    } catch (error) {
      this.#listener.failed(`${name} can’t be joined: ${error.message}`);
      this.#remove(name);
    }
  }

  /** #view returns the view of a room, which is made if need be. */
  #view(name) {
    if (!this.#views.has(name)) {
      this.#views.set(name, new RoomView(name, this.#options));
      this.#browser.setList('recent', [name, ...this.recent.filter((other) => other !== name)].slice(0, RECENT));
      this.#remember();
    }
    return this.#views.get(name);
  }

  #open(name) {
    const before = this.current;
    if (before?.name === name) return;
    before?.hide();
    this.current = this.#view(name);
    this.#listener.opened(this.current, before);
    this.current.show();
  }

  /** #remove takes a room off the page, unless it is the last one. */
  #remove(name) {
    const view = this.#views.get(name);
    if (!view || this.#views.size === 1) return;
    this.#views.delete(name);
    this.#remember();
    if (view === this.current) {
      const [next] = this.#views.keys();
      history.replaceState(null, '', addressOf(next));
      this.#open(next);
    }
    view.remove();
    this.#listener.changed();
  }

  #remember() {
    this.#tab.setList('rooms', [...this.#views.keys()]);
  }
}
