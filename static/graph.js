// Graph shows the messages a second of the last minute.

import { count, number } from './words.js';

const LEAST = 10; // messages a second that fill the height

/** Graph is a line in a picture, and words below. */
export class Graph {
  #line;
  #picture;
  #words;

  /** figure has the picture, an SVG of 60 × 20 with a path, and the words. */
  constructor(figure) {
    this.#picture = figure.querySelector('svg');
    this.#line = figure.querySelector('path');
    this.#words = figure.querySelector('figcaption');
  }

  show(rate) {
    const seconds = rate.whole;
    const most = Math.max(...seconds);
    const scale = 19 / Math.max(most, LEAST);
    const points = seconds.map((n, x) => `${x},${(19.5 - n * scale).toFixed(1)}`);
    this.#line.setAttribute('d', `M${points.join('L')}`);
    const now = count(seconds.at(-1), 'message');
    this.#words.textContent = `${now} a second`;
    this.#picture.ariaLabel = `Messages a second in the last minute: now ${number(seconds.at(-1))}, at most ${number(most)}`;
  }
}
