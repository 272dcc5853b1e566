// PendingView shows what is in the outbox, below the messages.

const LABELS = {
  waiting: 'Not sent yet',
  sent: 'Not confirmed yet',
  unsure: 'Perhaps not delivered',
  refused: 'Not taken by the server',
};

/** PendingView is a list of entries, some of which the user can do something about. */
export class PendingView {
  #list;
  #actions;
  #lines = new Map(); // the elements of each entry

  /** The actions are functions of an entry: again, edit, remove. */
  constructor(list, actions) {
    this.#list = list;
    this.#actions = actions;
  }

  show(entries) {
    for (const [entry, { line }] of this.#lines) {
      if (entries.includes(entry)) continue;
      line.remove();
      this.#lines.delete(entry);
    }
    for (const entry of entries) {
      if (!this.#lines.has(entry)) this.#lines.set(entry, this.#add(entry));
      this.#update(entry, this.#lines.get(entry));
    }
  }

  #add(entry) {
    const line = document.createElement('div');
    line.className = 'pending';
    const text = document.createElement('div');
    text.className = 'text';
    text.textContent = entry.text; // never markup
    const foot = document.createElement('p');
    foot.className = 'foot';
    const label = document.createElement('span');
    const again = this.#button('Send again', () => this.#actions.again(entry));
    const edit = this.#button('Edit', () => this.#actions.edit(entry));
    const remove = this.#button('Remove', () => this.#actions.remove(entry));
    foot.append(label, again, edit, remove);
    line.append(text, foot);
    this.#list.append(line);
    return { line, label, again, edit, remove };
  }

  #update(entry, { line, label, again, edit, remove }) {
    const { state, why } = entry;
    line.dataset.state = state;
    const words = why && state === 'refused' ? `${LABELS[state]}: ${why}` : LABELS[state];
    if (label.textContent !== words) label.textContent = words;
    again.hidden = state !== 'unsure';
    edit.hidden = state !== 'refused';
    remove.hidden = state !== 'unsure' && state !== 'refused';
  }

  #button(name, action) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = name;
    button.addEventListener('mousedown', (event) => event.preventDefault()); // keeps a phone's keyboard open
    button.addEventListener('click', action);
    return button;
  }
}
