// What the browser remembers for the page.

/**
 * Store is localStorage (for all tabs, for good) or sessionStorage (for this tab),
 * as far as the browser lets a page have it. Where it is forbidden, or has no room
 * left, what was set is kept as long as the page is.
 */
export class Store {
  #storage = null;
  #prefix = `chatd ${new URL(document.baseURI).pathname} `; // one host may have several chats
  #kept = new Map(); // what the browser did not take

  /** kind is the name of the storage. */
  constructor(kind) {
    try {
      this.#storage = window[kind]; // which may throw
    } catch {
      // forbidden
    }
  }

  getItem(name) {
    if (this.#kept.has(name)) return this.#kept.get(name);
    try {
      return this.#storage.getItem(this.#prefix + name);
    } catch {
      return null;
    }
  }

  setItem(name, text) {
    this.#kept.set(name, text);
    try {
      this.#storage.setItem(this.#prefix + name, text);
      this.#kept.delete(name);
    } catch {
      // it is kept here
    }
  }

  removeItem(name) {
    this.#kept.delete(name);
    try {
      this.#storage.removeItem(this.#prefix + name);
    } catch {
      this.#kept.set(name, null);
    }
  }

  /** list is a list of texts that setList set. */
  list(name) {
    try {
      const list = JSON.parse(this.getItem(name));
      return Array.isArray(list) ? list.filter((text) => typeof text === 'string') : [];
    } catch {
      return [];
    }
  }

  setList(name, list) {
    this.setItem(name, JSON.stringify(list));
  }
}
