// Rooms are the rooms that the chat is to be in.

import { ChatError } from './error.js';
import { Room } from './position.js';

/**
 * leave is the command to leave a room.
 * @param {string} room
 */
const leave = (room) => ({ events: [{ type: 'leave', room }], answer: 'left', room });

/**
 * Rooms joins and leaves. The first room is the one that the connection is made to; the
 * others are joined again on each new one.
 */
export class Rooms {
  #rooms;
  #commands;
  #left;
  #crowded;
  /** @type {Set<Room>} */
  #entering = new Set(); // those whose join is asked for

  /**
   * @param {Map<string, Room>} rooms with the first one
   * @param {import('./commands.js').Commands} commands
   * @param {(room: string, error?: ChatError) => void} left is called when one is gone
   * @param {(room: string, error: ChatError) => void} crowded when it can't be joined again on this connection
   */
  constructor(rooms, commands, left, crowded) {
    this.#rooms = rooms;
    this.#commands = commands;
    this.#left = left;
    this.#crowded = crowded;
  }

  /** first is the first of those that the server has let one into, if there is one yet. */
  get first() {
    const staying = this.#staying;
    return staying.find(({ begun }) => begun) ?? staying[0];
  }

  /** least is the smallest of those that are joined. */
  get least() {
    const joined = this.#staying.filter(({ joined }) => joined);
    return joined.sort((a, b) => a.members - b.members).at(0);
  }

  /**
   * join joins a further one.
   * @param {string} name
   * @param {string} since
   */
  async join(name, since) {
    if (this.#rooms.has(name)) throw new ChatError('bad_event', `you are in ${name}`);
    const room = new Room(name, since);
    this.#rooms.set(name, room);
    try {
      await this.#enter(room);
    } catch (error) {
      this.#remove(room, /** @type {ChatError} */ (error));
      throw error;
    }
    return room;
  }

  /**
   * leave leaves one, but not the last.
   * @param {string} name
   */
  async leave(name) {
    const room = this.#rooms.get(name);
    if (!room || room.leaving) throw new ChatError('not_member', `you are not in ${name}`);
    if (!this.#staying.some((other) => other !== room && other.begun)) {
      throw new ChatError('no_room', 'the last room can not be left: join another one before, or close the chat');
    }
    room.leaving = true;
    await this.#commands.ask(() => (room.joined ? leave(name) : null));
    this.#remove(room);
  }

  /**
   * welcomed joins the others, once there is a connection to one.
   * @param {string} name
   */
  welcomed(name) {
    // It may have been left since it was named.
    if (!this.#rooms.has(name)) this.#commands.ask(() => leave(name)).catch(() => {});
    // The last one first, as each goes before all that is asked for.
    for (const room of this.#staying.reverse()) {
      if (room.joined || this.#entering.has(room)) continue;
      this.#enter(room).catch((error) => {
        if (error.code !== 'too_many_rooms') this.#remove(room, error);
        else this.#crowded(room.name, error); // it is joined again where there may be more
      });
    }
  }

  /** lost says that the connection is gone. */
  lost() {
    for (const room of this.#rooms.values()) room.joined = false;
  }

  /** #staying are those that are not to be left. */
  get #staying() {
    return [...this.#rooms.values()].filter(({ leaving }) => !leaving);
  }

  /**
   * #enter joins one on the present connection, or the next.
   * @param {Room} room
   */
  async #enter(room) {
    const { name } = room;
    this.#entering.add(room);
    try {
      await this.#commands.ask(() => {
        if (room.joined || room.leaving) return null;
        return { events: [{ type: 'join', room: name, since: room.from }], answer: 'joined', room: name };
      }, { first: true });
    } finally {
      this.#entering.delete(room);
    }
  }

  /**
   * #remove forgets one.
   * @param {Room} room
   * @param {ChatError} [error] why it could not be joined
   */
  #remove(room, error) {
    this.#rooms.delete(room.name);
    this.#left(room.name, error);
  }
}
