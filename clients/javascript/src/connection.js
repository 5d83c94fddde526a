/** Sessions, and sockets that follow one another. */

import { LoudhailerError, isText, parsed } from "./answers.js";
import { Line } from "./line.js";
import { MINUTE, SECOND, backoff, between, delayOf } from "./times.js";

/** One line that carries, during a renewal its successor, and those that are being left. */
export class Connection {
  session = null;
  isOpen = false;
  #getSession;
  #options;
  #hooks;
  #line = null;
  #successor = null;
  #leaving = new Map(); // lines with the timers that end them
  #attempt = 0;
  #overlap;
  #renewed = null; // the line for whose successor a session is asked for
  #turn = 0; // an answer to a question of an earlier turn comes too late
  #timer = null; // of the next attempt, or of the renewal
  #hasTurn = false; // the service has named the time of the next attempt
  #keeper; // renews the session
  #keepAttempt = 0;
  #questions = new Set(); // timers of questions for a session

  /** `hooks`: `onStatus(status)`, `onFrame(frame, text, line)`, `onKeepAlive()`, `isSubscribed()`, `onError(error)`. */
  constructor(getSession, options, hooks) {
    this.#getSession = getSession;
    this.#options = options;
    this.#hooks = hooks;
  }

  open() {
    this.#end();
    this.#connect();
  }

  close(error) {
    this.#end();
    this.#tell("closed", error && { error });
  }

  send(text) {
    return this.#line !== null && this.#line.send(text);
  }

  /** Find out now whether the socket still carries; while it waits for the next attempt, make it now. */
  check() {
    if (this.#line !== null) {
      this.#line.ping();
    } else if (this.#timer !== null && !this.#hasTurn) {
      this.#attempt = 0;
      this.open();
    }
  }

  /** The line that carries. */
  get line() {
    return this.#line;
  }

  /** End a line whose session or connection is over. */
  leave(line) {
    line.end();
    this.#ended(line, 0);
  }

  #end() {
    this.#turn += 1;
    clearTimeout(this.#timer);
    clearTimeout(this.#keeper);
    this.#timer = null;
    for (const line of [this.#line, this.#successor, ...this.#leaving.keys()]) {
      line?.end();
    }
    [...this.#questions, ...this.#leaving.values()].forEach(clearTimeout);
    this.#questions.clear();
    this.#line = this.#successor = null;
    this.#leaving.clear();
    this.#renewed = null;
    this.#overlap = this.#options.overlap;
  }

  #tell(state, details) {
    this.isOpen = state === "open";
    this.#hooks.onStatus({ state, ...details });
  }

  async #ask(renew, turn) {
    let timer;
    try {
      const session = await Promise.race([
        this.#getSession({ ...(this.session && { sessionId: this.session.sessionId }), renew }),
        new Promise((_, reject) => {
          const error = new LoudhailerError("NO_ANSWER", "getSession has not answered in time");
          timer = setTimeout(() => reject(error), this.#options.session);
          this.#questions.add(timer);
        }),
      ]);
      if (![session?.tenantId, session?.sessionId, session?.webSocketUrl].every(isText)) {
        throw new LoudhailerError("MALFORMED_ANSWER", "a session needs tenantId, sessionId and webSocketUrl");
      }
      if (turn === this.#turn) {
        this.session = session;
        this.#keepAttempt = 0;
        this.#keep(Math.max(session.expiresIn, 2) * SECOND * (0.4 + 0.2 * this.#options.random()));
      }
    } finally {
      clearTimeout(timer);
      this.#questions.delete(timer);
    }
  }

  /** Listening is no activity, so renew the session at about half its time. */
  #keep(delay) {
    clearTimeout(this.#keeper);
    if (this.session.expiresIn > 0) {
      this.#keeper = setTimeout(() => this.#renewSession(this.#turn), Math.min(Math.round(delay), 60 * MINUTE));
    }
  }

  async #renewSession(turn) {
    try {
      await this.#ask(true, turn);
    } catch (error) {
      if (turn === this.#turn && error?.fatal) {
        this.#hooks.onError(error);
      } else if (turn === this.#turn) {
        this.#keep(delayOf(error, () => backoff(this.#options, this.#keepAttempt++)));
      }
    }
  }

  async #connect() {
    const turn = this.#turn;
    this.#tell("connecting");
    if (turn !== this.#turn) {
      return; // a handler has closed the client
    }
    try {
      await this.#ask(false, turn);
      if (turn === this.#turn) {
        this.#line = this.#dial();
      }
    } catch (error) {
      if (turn === this.#turn) {
        if (error?.fatal) {
          this.close(error);
        } else {
          this.#retry({ wasOpen: false, error });
        }
      }
    }
  }

  #retry({ wasOpen, error }) {
    const delay = this.#delay(error);
    clearTimeout(this.#keeper); // it is for a client that is connected
    this.#hasTurn = error?.retryAfter > 0;
    this.#after(delay, () => this.#connect());
    this.#tell("offline", { delay, wasOpen, ...(error && { error }) });
  }

  #delay(error) {
    return delayOf(error, () => backoff(this.#options, this.#attempt++));
  }

  #after(delay, act) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      act();
    }, delay);
  }

  #dial() {
    const { webSocketUrl, tenantId, sessionId } = this.session;
    return new Line(`${webSocketUrl}?${new URLSearchParams({ tenantId, sessionId })}`, this.#options, {
      onOpen: (line) => this.#opened(line),
      onText: (line, text) => this.#received(line, text),
      onKeepAlive: (line) => {
        line.ping();
        if (line === this.#line) {
          this.#hooks.onKeepAlive();
        }
      },
      onEnd: (line, milliseconds) => this.#ended(line, milliseconds),
    });
  }

  #opened(line) {
    if (line === this.#successor) {
      this.#retire(this.#line, this.#overlap);
      this.#line = line;
      this.#successor = null;
      this.#attempt = 0;
    }
    this.#overlap = this.#options.overlap;
    this.#after(between(this.#options, "renewal"), () => this.#renew());
    this.#tell("open");
  }

  /** End a line after a time, and not before its successor has subscribed. */
  #retire(line, delay) {
    const timer = setTimeout(() => {
      if (this.#hooks.isSubscribed()) {
        this.#leaving.delete(line);
        line.end();
      } else {
        this.#retire(line, SECOND);
      }
    }, delay);
    this.#leaving.set(line, timer);
  }

  async #renew() {
    const line = this.#line;
    const turn = this.#turn;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#renewed = line;
    try {
      await this.#ask(false, turn);
      if (line === this.#line) {
        this.#successor = this.#dial();
      }
    } catch (error) {
      // A line that was lost meanwhile is opened again by a timer of its own.
      if (line === this.#line) {
        this.#after(this.#delay(error), () => this.#renew());
      }
    } finally {
      if (line === this.#line) {
        this.#renewed = null;
      }
    }
  }

  #received(line, text) {
    const frame = parsed(text, this.#options.parse);
    if (frame?.type !== "move") {
      this.#hooks.onFrame(frame, text, line);
    } else if (line === this.#line && this.#leaving.size === 0) {
      const milliseconds = frame.overlapSeconds > 0 ? frame.overlapSeconds * SECOND : 0;
      this.#overlap = Math.min(Math.max(milliseconds, this.#options.overlap), this.#options.longestOverlap);
      if (this.#successor === null && this.#renewed !== line) {
        this.#renew();
      }
    }
  }

  #ended(line, milliseconds) {
    if (line === this.#successor) {
      this.#successor = null;
      this.#after(this.#delay(), () => this.#renew());
    } else if (line === this.#line && this.#successor !== null) {
      this.#line = this.#successor; // which is on its way already
      this.#successor = null;
      this.#tell("connecting");
    } else if (line === this.#line) {
      this.#line = null;
      if (milliseconds >= this.#options.stable) {
        this.#attempt = 0;
      }
      this.#retry({ wasOpen: milliseconds !== null });
    } else {
      clearTimeout(this.#leaving.get(line));
      this.#leaving.delete(line);
    }
  }
}
