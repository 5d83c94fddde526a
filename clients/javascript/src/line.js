/** One socket. */

import { between } from "./times.js";

const PING = '{"action":"ping"}';
const PONG = '{"action":"pong"}';
const UNSENT = 4 * 1024 * 1024; // bytes that may wait until the network takes them

/** A socket from its handshake to its end; `onEnd` is called once, with the milliseconds it was open, or null. */
export class Line {
  #socket;
  #options;
  #handlers;
  #opened = null;
  #ended = false;
  #deadline;
  #keepAlive;

  constructor(url, options, handlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#socket = new options.WebSocket(url);
    this.#socket.onopen = () => this.#open();
    this.#socket.onmessage = ({ data }) => this.#hear(String(data));
    this.#socket.onclose = () => this.#lose();
    this.#socket.onerror = () => {}; // `onclose` follows; the package ws would throw
    this.#deadline = setTimeout(() => this.#lose(), options.handshake);
  }

  send(text) {
    const isReady = this.#opened !== null && !this.#ended && !(this.#socket.bufferedAmount > UNSENT);
    if (isReady) {
      this.#socket.send(text);
    }
    return isReady;
  }

  /** Ask for a sign of life: a socket that gives none in time is half-open, and ends. */
  ping() {
    if (this.send(PING)) {
      this.#deadline ??= setTimeout(() => this.#lose(), this.#options.answer);
    }
  }

  /** Close the socket without a word to the handlers. */
  end() {
    if (!this.#ended) {
      this.#ended = true;
      clearTimeout(this.#deadline);
      clearInterval(this.#keepAlive);
      this.#socket.close();
    }
  }

  #open() {
    if (!this.#ended) {
      this.#opened = this.#options.elapsed();
      this.#hear(PONG);
      this.#keepAlive = setInterval(() => this.#handlers.onKeepAlive(this), between(this.#options, "keepAlive"));
      this.#handlers.onOpen(this);
    }
  }

  #hear(text) {
    clearTimeout(this.#deadline);
    this.#deadline = undefined;
    // API Gateway may send an empty frame after a request that has no response.
    if (text !== PONG && text !== "" && !this.#ended) {
      this.#handlers.onText(this, text);
    }
  }

  #lose() {
    if (!this.#ended) {
      this.end();
      this.#handlers.onEnd(this, this.#opened === null ? null : this.#options.elapsed() - this.#opened);
    }
  }
}
