// Who is here.

import { disc, nameElement, paint } from './people.js';
import { count } from './words.js';

const ASK_MS = 3_000; // between two questions, while people come and go

/** Who is a panel with the members of a room. It asks while it is open. */
export class Who {
  #panel;
  #list;
  #rest;
  #ask;
  #timer = 0;

  /** ask() asks the server, whose answer is to be shown. */
  constructor(panel, ask) {
    this.#panel = panel;
    this.#list = panel.querySelector('ul');
    this.#rest = panel.querySelector('.rest');
    this.#ask = ask;
    panel.addEventListener('beforetoggle', ({ newState }) => newState === 'open' && ask());
  }

  /** changed says that somebody came or went. */
  changed() {
    if (!this.#panel.matches(':popover-open') || this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      if (this.#panel.matches(':popover-open')) this.#ask();
    }, ASK_MS);
  }

  /** show shows the members, of count in all; me is the reader's id. */
  show({ members, count: all }, me) {
    this.#list.replaceChildren(...members.map((member) => {
      const item = document.createElement('li');
      item.append(disc(member), nameElement(member));
      if (member.id === me) item.append(' ', Object.assign(document.createElement('span'), { className: 'you', textContent: 'you' }));
      paint(item, member);
      return item;
    }));
    const more = all - members.length;
    const rest = members.length ? `and ${count(more, 'other')}` : `${count(more, 'person', 'people')}, of whom no names are known`;
    this.#rest.textContent = more > 0 ? rest : '';
  }
}
