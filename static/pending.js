// PendingView shows what was said and is not confirmed, below the messages.

const LABELS = {
  waiting: 'Not sent yet',
  sent: 'Not confirmed yet',
  unsure: 'Perhaps not delivered',
  refused: 'Not taken by the server',
};

/**
 * PendingView is a list of a room's entries, some of which the reader can do
 * something about. The chat forgets an entry that was refused; here it stays until
 * it was seen.
 */
export class PendingView {
  #list;
  #actions;
  #lines = new Map(); // the elements of each entry

  /** The actions are functions of an entry: again, edit, remove. */
  constructor(list, actions) {
    this.#list = list;
    this.#actions = actions;
  }

  /** entries are those that are shown, the oldest first. */
  get entries() {
    return [...this.#lines.keys()];
  }

  /** show takes what an entry has become. */
  show(entry) {
    if (entry.state === 'confirmed' || entry.state === 'dropped') {
      this.remove(entry);
      return;
    }
    if (!this.#lines.has(entry)) this.#lines.set(entry, this.#add(entry));
    this.#update(entry, this.#lines.get(entry));
  }

  remove(entry) {
    this.#lines.get(entry)?.line.remove();
    this.#lines.delete(entry);
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
    const again = button('Send again', () => this.#actions.again(entry));
    const edit = button('Edit', () => this.#actions.edit(entry));
    const remove = button('Remove', () => this.#actions.remove(entry));
    foot.append(label, again, edit, remove);
    line.append(text, foot);
    this.#list.append(line);
    return { line, label, again, edit, remove };
  }

  #update({ state, error }, { line, label, again, edit, remove }) {
    line.dataset.state = state;
    const what = state === 'unsure' && error ? 'Not delivered' : LABELS[state];
    const words = error?.message ? `${what}: ${error.message}` : what;
    if (label.textContent !== words) label.textContent = words;
    again.hidden = state !== 'unsure';
    edit.hidden = state !== 'refused';
    remove.hidden = state !== 'unsure' && !error;
  }
}

function button(name, action) {
  const element = document.createElement('button');
  element.type = 'button';
  element.textContent = name;
  element.addEventListener('mousedown', (event) => event.preventDefault()); // keeps a phone's keyboard open
  element.addEventListener('click', action);
  return element;
}
