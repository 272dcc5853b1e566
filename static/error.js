// ChatError is why something was not done.

/** ChatError has the server's code (too_long, not_member, …), or one of the client's own. */
export class ChatError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {string} [nonce] of the text that it is about
   */
  constructor(code, message, nonce) {
    super(message);
    this.name = 'ChatError';
    this.code = code;
    this.nonce = nonce;
  }
}
