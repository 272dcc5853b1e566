// Composer is where texts are typed.

import { count } from './words.js';

const NEAR = 0.9; // of the limit, from where the size is shown
const UNIT_MOST = 3; // bytes of UTF-8 for a UTF-16 unit

const encoder = new TextEncoder();

/** Composer is the field at the bottom: Enter sends, what can't be sent stays. */
export class Composer {
  muted = false; // what is typed stays
  #input;
  #hint;
  #size;
  #limit;
  #send;
  #typed;

  /** limit() is how many bytes a text may have; send(text) takes one; typed(text) is told of each change. */
  constructor({ form, input, hint, size, limit, send, typed }) {
    this.#input = input;
    this.#hint = hint;
    this.#size = size;
    this.#limit = limit;
    this.#send = send;
    this.#typed = typed;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    input.addEventListener('keydown', (event) => this.#key(event));
    input.addEventListener('input', () => this.#changed());
    window.addEventListener('resize', () => this.#fit());
  }

  get text() {
    return this.#input.value;
  }

  set text(text) {
    this.#input.value = text;
    this.#changed();
  }

  focus() {
    this.#input.focus();
  }

  /** put puts a text into the field, below what is there. */
  put(text) {
    this.text = [this.text, text].filter(Boolean).join('\n');
    this.focus();
  }

  #key(event) {
    // With an input method Enter picks a word. Safari ends the composition before
    // it reports the key, and gives it the code 229.
    const composing = event.isComposing || event.keyCode === 229;
    if (event.key !== 'Enter' || event.shiftKey || composing) return;
    event.preventDefault();
    this.#submit();
  }

  #submit() {
    const { text } = this;
    if (this.muted || text.trim() === '' || this.measure()) return;
    this.#send(text);
    this.text = '';
    this.focus();
  }

  #changed() {
    this.#fit();
    this.measure();
    this.#typed(this.text);
  }

  /** measure tells a text that comes near the limit, and returns whether it is too long. */
  measure() {
    const { text } = this;
    const limit = this.#limit();
    // Most texts are far from it.
    const size = text.length * UNIT_MOST > limit * NEAR ? encoder.encode(text).length : 0;
    const tooLong = size > limit;
    this.#size.textContent = size > limit * NEAR ? `${count(size, 'byte')} of ${count(limit, 'byte')}` : '';
    const words = tooLong ? 'Too long to be sent. The server takes no more: shorten it, or send it in parts.' : '';
    // Set only if it changes, or it is announced again.
    if (this.#hint.textContent !== words) this.#hint.textContent = words;
    this.#input.setAttribute('aria-invalid', String(tooLong));
    return tooLong;
  }

  /** #fit makes the field as high as its text; the style sheet has the limit. */
  #fit() {
    this.#input.style.height = 'auto';
    this.#input.style.height = `${this.#input.scrollHeight}px`;
  }
}
