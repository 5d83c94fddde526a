/**
 * A connection to Loudhailer that keeps itself up. It needs no page: no DOM, no globals but WebSocket, timers and `performance`.
 *
 *     const connection = new Connection(
 *       async () => {                       // asked before every attempt to connect
 *         const session = await renew();    // PUT /session: an expired session looks like a lost network
 *         return `${session.webSocketUrl}?tenantId=...&sessionId=...`;
 *       },
 *       {
 *         onOpen() {},                      // connected, or moved to a new socket: join rooms here
 *         onFrame(frame, text) {},          // a frame's JSON value, and the frame; never a duplicate
 *         onStatus({ state, ... }) {},      // see STATES
 *       },
 *     );
 *     connection.open();
 *     connection.send({ action: "sendmessage", roomKey: "lobby", content: "hello" });   // false: not connected
 *     connection.close();
 *
 * - A lost connection is opened again, after a random time up to a bound that doubles (exponential backoff, full jitter:
 *   https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/), so that a crowd does not come back
 *   all at once. To give up, throw a Refusal in the URL provider. An error with `retryAfter`, in milliseconds, has the next
 *   attempt made then.
 * - API Gateway closes a connection after two hours. Before that a second one is opened, and the first one closed when
 *   the second one carries. Where the session may have one connection only, the two hours are used up.
 * - A cell that is being emptied asks its clients to move: `{"type":"move","overlapSeconds":250}`. The next connection is
 *   opened at once, and the old one kept for that long, since messages from before may still come on it.
 * - API Gateway closes a connection on which nothing was sent for ten minutes, so `{"action":"ping"}` is sent; a connection
 *   that does not answer it is dead. `check()` asks at once: for when a device wakes up, or gets its network back.
 * - A frame that comes again is dropped, by the id of its broadcast or message; the last thousand of each are remembered.
 */

import { elapsed } from "./clock.js";

/** What `onStatus` says in `state`. */
export const STATES = Object.freeze({
  CLOSED: "closed", //         nobody asked for a connection
  CONNECTING: "connecting", // an attempt is being made
  OPEN: "open", //             frames come and go
  WAITING: "waiting", //       the next attempt comes in `delay` milliseconds; `wasOpen`: a connection was lost, not refused
  REFUSED: "refused", //       the URL provider gave up with `reason`, a Refusal
});

/** Thrown by a URL provider: no further attempt can succeed. */
export class Refusal extends Error {}

const DEFAULTS = {
  keepAlive: 8 * 60_000,
  renewal: 115 * 60_000,
  overlap: 2_000,
  handshake: 15_000,
  pong: 10_000,
  shortestBackoff: 1_000,
  longestBackoff: 30_000,
  stable: 10_000, // open for so long, a connection starts its backoff anew when it is lost
  remembered: 1_000,
  longestOverlap: 120 * 60_000,
};

const PING = JSON.stringify({ action: "ping" });

export class Connection {
  #url;
  #handlers;
  #options;
  #broadcasts; // what has come of them; apart from the messages of a room, of which a thousand may come in an overlap
  #messages;
  #line = null; //        the socket that carries frames, or is to
  #successor = null; //   the one that takes over from it
  #leaving = new Set(); // replaced sockets, which may still bring a frame or two
  #attempt = 0;
  #overlap; //              for which the one that is replaced is kept
  #isRenewing = false; // the URL provider is being asked for the successor
  #turn = 0; // work of an earlier turn is ignored
  #timer = null;

  /** `options` may override the DEFAULTS, in milliseconds, and `WebSocket`, `random` and `elapsed`. */
  constructor(url, handlers, options = {}) {
    this.#url = url;
    this.#handlers = { onOpen() {}, onFrame() {}, onStatus() {}, ...handlers };
    this.#options = { WebSocket: globalThis.WebSocket, random: Math.random, elapsed, ...DEFAULTS, ...options };
    this.#overlap = this.#options.overlap;
    this.#broadcasts = new Recent(this.#options.remembered);
    this.#messages = new Recent(this.#options.remembered);
  }

  /** Connect, and stay connected until `close`. */
  open() {
    this.#end();
    this.#attempt = 0;
    this.#connect();
  }

  /** Disconnect, and stay so. */
  close() {
    this.#end();
    this.#tell(STATES.CLOSED);
  }

  /** Send a value as a JSON frame; false if there is no connection to send it on. */
  send(frame) {
    return this.#line !== null && this.#line.send(JSON.stringify(frame));
  }

  /** Find out now whether the connection still carries; while one waits for the next attempt, make it now. */
  check() {
    if (this.#line !== null) {
      this.#line.ping();
    } else if (this.#timer !== null) {
      this.open();
    }
  }

  #end() {
    this.#turn += 1;
    clearTimeout(this.#timer);
    this.#timer = null;
    for (const line of [this.#line, this.#successor, ...this.#leaving]) {
      line?.end();
    }
    this.#line = this.#successor = null;
    this.#leaving.clear();
    this.#isRenewing = false;
    this.#overlap = this.#options.overlap;
  }

  #tell(state, details = {}) {
    this.#handlers.onStatus({ state, ...details });
  }

  async #connect() {
    this.#tell(STATES.CONNECTING);
    const turn = this.#turn;
    try {
      const url = await this.#url();
      if (turn === this.#turn) {
        this.#line = this.#dial(url);
      }
    } catch (error) {
      if (turn === this.#turn) {
        this.#fail(error);
      }
    }
  }

  #fail(error) {
    if (error instanceof Refusal) {
      this.#end();
      this.#tell(STATES.REFUSED, { reason: error });
    } else {
      this.#retry({ wasOpen: false, delay: error.retryAfter ?? this.#backoff() });
    }
  }

  #retry({ wasOpen, delay = this.#backoff() }) {
    this.#after(delay, () => this.#connect());
    this.#tell(STATES.WAITING, { delay, wasOpen });
  }

  #backoff() {
    const { shortestBackoff, longestBackoff, random } = this.#options;
    const bound = Math.min(longestBackoff, shortestBackoff * 2 ** this.#attempt);
    this.#attempt += 1;
    return Math.round(random() * bound);
  }

  #after(delay, act) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      act();
    }, delay);
  }

  #dial(url) {
    const line = new Line(url, this.#options, {
      onOpen: () => this.#opened(line),
      onText: (text) => this.#received(line, text),
      onEnd: (seconds) => this.#ended(line, seconds),
    });
    return line;
  }

  #opened(line) {
    if (line === this.#successor) {
      this.#leave(this.#line);
      this.#line = line;
      this.#successor = null;
      this.#attempt = 0;
    }
    this.#overlap = this.#options.overlap;
    this.#after(this.#options.renewal, () => this.#renew());
    this.#tell(STATES.OPEN);
    this.#handlers.onOpen();
  }

  #leave(line) {
    this.#leaving.add(line);
    setTimeout(() => {
      line.end();
      this.#leaving.delete(line);
    }, this.#overlap);
  }

  async #renew() {
    const turn = this.#turn;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#isRenewing = true;
    try {
      const url = await this.#url();
      if (turn === this.#turn && this.#line !== null) {
        this.#successor = this.#dial(url);
      }
    } catch (error) {
      // A line that was lost meanwhile is opened again by a timer of its own.
      if (turn === this.#turn && this.#line !== null) {
        this.#after(error.retryAfter ?? this.#backoff(), () => this.#renew());
      }
    } finally {
      if (turn === this.#turn) {
        this.#isRenewing = false;
      }
    }
  }

  /** Move as the server asks; what comes on a connection that is being replaced is no news. */
  #move(line, seconds) {
    if (line !== this.#line) {
      return;
    }
    const wanted = Number.isFinite(seconds) && seconds > 0 ? seconds * 1_000 : 0;
    this.#overlap = Math.min(Math.max(wanted, this.#options.overlap), this.#options.longestOverlap);
    if (this.#successor === null && !this.#isRenewing) {
      this.#renew();
    }
  }

  #received(line, text) {
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      frame = null; // not this service's, but for the handler to see
    }
    if (frame?.type === "move") {
      this.#move(line, frame.overlapSeconds);
      return;
    }
    const identity = identityOf(frame);
    const seen = frame?.type === "broadcast" ? this.#broadcasts : this.#messages;
    if (identity === null || seen.add(identity)) {
      this.#handlers.onFrame(frame, text);
    }
  }

  #ended(line, openFor) {
    if (line === this.#successor) {
      this.#successor = null;
      this.#after(this.#backoff(), () => this.#renew());
    } else if (line === this.#line && this.#successor !== null) {
      this.#line = this.#successor; // which is on its way already
      this.#successor = null;
      this.#tell(STATES.CONNECTING);
    } else if (line === this.#line) {
      this.#line = null;
      if (openFor >= this.#options.stable) {
        this.#attempt = 0;
      }
      this.#retry({ wasOpen: openFor !== null });
    }
  }
}

/** One socket, from its handshake to its end; `onEnd` is called once, with the milliseconds it was open, or null. */
class Line {
  #socket;
  #options;
  #handlers;
  #opened = null;
  #ended = false;
  #deadline = null;
  #keepAlive = null;

  constructor(url, options, handlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#socket = new options.WebSocket(url);
    this.#socket.onopen = () => this.#open();
    this.#socket.onmessage = ({ data }) => this.#hear(data);
    this.#socket.onclose = () => this.#lose();
    this.#deadline = setTimeout(() => this.#lose(), options.handshake);
  }

  send(text) {
    if (this.#opened === null || this.#ended) {
      return false;
    }
    this.#socket.send(text);
    return true;
  }

  ping() {
    if (this.send(PING) && this.#deadline === null) {
      this.#deadline = setTimeout(() => this.#lose(), this.#options.pong);
    }
  }

  /** Close the socket without a word to the handlers. */
  end() {
    if (this.#ended) {
      return;
    }
    this.#ended = true;
    clearTimeout(this.#deadline);
    clearInterval(this.#keepAlive);
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
  }

  #open() {
    this.#opened = this.#options.elapsed();
    this.#hear(null);
    this.#keepAlive = setInterval(() => this.ping(), this.#options.keepAlive);
    this.#handlers.onOpen();
  }

  #hear(text) {
    clearTimeout(this.#deadline);
    this.#deadline = null;
    // API Gateway may send an empty frame after a request that has no response: see the question empty-frame in docs/aws-answers.md.
    if (text && !isPong(text)) {
      this.#handlers.onText(text);
    }
  }

  #lose() {
    this.end();
    this.#handlers.onEnd(this.#opened === null ? null : this.#options.elapsed() - this.#opened);
  }
}

/** The newest values, up to a number of them. */
class Recent {
  #values = new Set();
  #size;

  constructor(size) {
    this.#size = size;
  }

  /** Remember a value; false if it is remembered already. */
  add(value) {
    if (this.#values.has(value)) {
      return false;
    }
    this.#values.add(value);
    if (this.#values.size > this.#size) {
      this.#values.delete(this.#values.values().next().value);
    }
    return true;
  }
}

function isPong(text) {
  return text === '{"action":"pong"}';
}

/**
 * What a frame has in common with its duplicates alone, or null without such a part. A message to a room has
 * no id of its own: it comes twice only while two sockets overlap, as the same text of the same millisecond.
 */
function identityOf(frame) {
  if (typeof frame?.id === "string" && frame.type === "broadcast") {
    return `broadcast ${frame.id}`;
  }
  if (typeof frame?.messageId === "string" && !("status" in frame)) {
    return `message ${frame.messageId}`;
  }
  if (frame?.action === "sendmessage" && "sentAt" in frame) {
    return `room ${JSON.stringify([frame.roomKey, frame.connectionId, frame.content, frame.sentAt])}`;
  }
  return null;
}
