// Me is what the reader is called.

import { disc, nameOf, paint } from './people.js';

const MOST = 32; // characters
// What the server does not take, either: control characters, and those that turn
// the direction of what follows.
const FORBIDDEN = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/**
 * Me shows one's name on a button, asks for it in a dialog, and has it remembered
 * for the next time.
 */
export class Me {
  name;
  #id = '';
  #parts;
  #stores;
  #chosen;

  /**
   * The parts are elements: button, dialog (with a form), input, hint, cancel; and
   * nameless, what is said to one without a name, with guest and choose in it. The
   * Stores are the tab's, and the browser's for further tabs. chosen(name, before) takes
   * a new name, '' for none.
   */
  constructor(parts, stores, chosen) {
    this.#parts = parts;
    this.#stores = stores;
    this.#chosen = chosen;
    this.name = stores.tab.getItem('name') ?? stores.browser.getItem('name') ?? '';
    const { button, choose, cancel, dialog, input } = parts;
    for (const asks of [button, choose]) asks.addEventListener('click', () => this.#ask());
    cancel.addEventListener('click', () => dialog.close());
    input.addEventListener('input', () => this.#tell(''));
    dialog.firstElementChild.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  /** take takes a name. */
  take(name) {
    this.name = name;
    for (const store of Object.values(this.#stores)) store.setItem('name', name);
    this.show(this.#id);
  }

  /** show shows who one is, once the server has given the id. */
  show(id) {
    this.#id = id;
    const { button, nameless, guest } = this.#parts;
    const me = { id, name: this.name };
    button.replaceChildren(disc(me));
    button.ariaLabel = me.name ? `Your name: ${me.name}. Change it` : 'Choose a name';
    button.title = button.ariaLabel;
    paint(button, me);
    guest.textContent = nameOf(me);
    nameless.hidden = !id || me.name !== '';
  }

  #ask() {
    const { dialog, input } = this.#parts;
    input.value = this.name;
    this.#tell('');
    dialog.showModal();
    input.select();
  }

  #submit() {
    const { dialog, input } = this.#parts;
    const name = input.value.trim().normalize('NFC');
    if ([...name].length > MOST) {
      this.#tell(`A name has ${MOST} characters at most.`);
    } else if (FORBIDDEN.test(name)) {
      this.#tell('There is a character in it that a name may not have.');
    } else {
      dialog.close();
      const before = this.name;
      this.take(name);
      this.#chosen(name, before);
    }
  }

  #tell(words) {
    const { hint, input } = this.#parts;
    hint.textContent = words;
    input.setAttribute('aria-invalid', String(words !== ''));
  }
}
