// Lines are the elements of the log.

import { disc, nameElement, nameOf, paint } from './people.js';
import { withLinks } from './links.js';
import { binary, count, dayOf, timeOf } from './words.js';

const GROUP_MS = 5 * 60_000; // between two messages that stand under one name

/**
 * Lines makes the elements of a log, one after the other: a message stands under
 * its author's name, or below one that does, and a new day has a heading.
 */
export class Lines {
  #author = null; // of the group that the next message may continue
  #at = 0; // of the last message
  #day = '';

  /** make returns the elements for an item. With begins it must not need any before. */
  make({ kind, message, text, left }, begins) {
    if (kind === 'message') return this.#message(message, begins);
    this.#author = null;
    switch (kind) {
      case 'mark': return [line('h2', 'mark', text)];
      case 'left': return [line('p', 'left', `${count(left, 'message')} not shown`)];
      default: return [line('p', 'note', text)];
    }
  }

  #message(message, begins) {
    const lines = [];
    const day = dayOf(message.at);
    if (day !== this.#day) {
      lines.push(line('h2', 'day', day));
      this.#author = null;
    }
    const author = `${message.id ?? ''} ${message.name ?? ''}`;
    const continues = !begins && author === this.#author && message.at - this.#at < GROUP_MS;
    this.#day = day;
    this.#author = author;
    this.#at = message.at;
    lines.push(messageElement(message, continues));
    return lines;
  }
}

function line(tag, kind, text) {
  const element = document.createElement(tag);
  element.className = kind;
  element.textContent = text;
  return element;
}

function messageElement(message, continues) {
  const element = document.createElement('div');
  element.className = continues ? 'message' : 'message first';
  if (continues) {
    element.dataset.time = timeOf(message.at);
    element.append(line('span', 'spoken', `${nameOf(message)}: `)); // but heard
  } else {
    element.append(disc(message), head(message));
    paint(element, message);
  }
  element.append(body(message));
  return element;
}

/** head is the name and the time above a group. */
function head(message) {
  const element = document.createElement('div');
  element.className = 'head';
  element.append(nameElement(message), ' ');
  if (message.own) element.append(line('span', 'you', 'you'), ' ');
  const time = line('time', 'time', timeOf(message.at));
  time.dateTime = new Date(message.at).toISOString();
  element.append(time);
  return element;
}

/** body is what was said: text, never markup. */
function body(message) {
  if (message.text === undefined) return line('div', 'text binary', binary(message.data));
  const element = document.createElement('div');
  element.className = 'text';
  element.append(...withLinks(message.text));
  return element;
}
