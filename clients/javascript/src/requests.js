/** Frames that are answered. */

import { LoudhailerError } from "./answers.js";
import { MINUTE, SECOND, backoff } from "./times.js";

const PENDING = 100;
const FRAME_BYTES = 32 * 1024; // https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html

/** A frame as it is sent; an error if API Gateway would end the connection for it. */
export function written(frame) {
  const text = JSON.stringify(frame);
  if (new TextEncoder().encode(text).length > FRAME_BYTES) {
    throw new LoudhailerError("TOO_LONG", `a frame may have ${FRAME_BYTES} bytes`);
  }
  return text;
}

/**
 * One request at a time: an error frame does not name the frame that it refuses, and API Gateway keeps no order. A request
 * is `{text, answers(frame), done(frame), failed(error)}`, with `isLasting` if it outlives its connection, `isOnce` if
 * it is not repeated, and `isSubscription`, which is answered on its own line.
 */
export class Requests {
  #queue = [];
  #current = null;
  #answerBy;
  #pause = null;
  #repeated = { code: null, left: 0 }; // errors that may still come of a request that was sent several times
  #times;
  #hooks;

  /** `hooks`: `send(text)`, `line()`, `isOpen()`, `check()`, and `next()` for a request that goes before all others, or null. */
  constructor(times, hooks) {
    this.#times = times;
    this.#hooks = hooks;
  }

  /** Send a frame again until it is answered; a promise of the answer, for a minute. */
  ask(text, answers) {
    return new Promise((resolve, reject) => {
      if (this.#queue.length >= PENDING) {
        throw new LoudhailerError("TOO_MANY_PENDING", `${PENDING} requests are waiting`);
      }
      if (this.#pause !== null) {
        throw throttled();
      }
      const request = { text, answers, done: resolve, failed: reject, isLasting: true };
      request.deadline = setTimeout(() => {
        this.#drop(request);
        const [code, reason] = request.sent ? ["NO_ANSWER", "answered"] : ["NOT_SENT", "been reached"];
        reject(new LoudhailerError(code, `the service has not ${reason} in time`));
      }, this.#times.request);
      this.#queue.push(request);
      this.pump();
    });
  }

  pump() {
    if (this.#current === null && this.#pause === null && this.#hooks.isOpen()) {
      this.#current = this.#hooks.next() ?? this.#queue.shift() ?? null;
      this.#transmit();
    }
  }

  #transmit() {
    const request = this.#current;
    if (request !== null) {
      request.sent = (request.sent ?? 0) + (this.#hooks.send(request.text) ? 1 : 0);
      request.line = this.#hooks.line();
      this.#answerBy = setTimeout(() => {
        this.#hooks.check();
        request.isOnce ? this.#drop(request) : this.#transmit();
      }, this.#times.answer);
    }
  }

  #release() {
    const request = this.#current;
    this.#current = null;
    clearTimeout(this.#answerBy);
    return request;
  }

  #drop(request) {
    clearTimeout(request.deadline);
    this.#queue = this.#queue.filter((other) => other !== request);
    if (this.#current === request) {
      this.#release();
      this.pump();
    }
  }

  /** Take a frame as the answer, if it is. */
  answer(frame, line) {
    const request = this.#current;
    if (request?.answers(frame) && !(request.isSubscription && line !== request.line)) {
      this.#expect(null, request);
      request.done(frame);
      this.#drop(request);
    }
  }

  #expect(code, request) {
    this.#repeated = { code, left: request.sent - 1 };
  }

  /** Take an error as the answer; false if there is no request. */
  fail(error) {
    if (error.code === this.#repeated.code && this.#repeated.left-- > 0) {
      return true;
    }
    const request = this.#current;
    if (request === null) {
      return false;
    }
    if (error.code === "TRY_AGAIN" && !request.isSubscription && !request.isOnce) {
      // An earlier try may still be under way.
      request.attempt = (request.attempt ?? 0) + 1;
      clearTimeout(this.#answerBy);
      this.#answerBy = setTimeout(() => this.#transmit(), backoff(this.#times, request.attempt));
      return true;
    }
    this.#expect(error.code, request);
    request.failed(error);
    this.#drop(request);
    return true;
  }

  /** The limit of this minute is reached: lasting requests fail, the others wait. False if there is no lasting one. */
  throttle(error) {
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => {
      this.#pause = null;
      this.pump();
    }, MINUTE);
    const request = this.#release();
    if (request !== null) {
      this.#queue.unshift(request);
    }
    return this.#failLasting(error);
  }

  #failLasting(error) {
    const lasting = this.#queue.filter(({ isLasting }) => isLasting);
    for (const request of lasting) {
      this.#drop(request);
      request.failed(error);
    }
    return lasting.length > 0;
  }

  /** The connection is lost. */
  interrupt() {
    const request = this.#release();
    this.#queue = [request, ...this.#queue].filter((each) => each?.isLasting);
  }

  end(error) {
    this.interrupt();
    clearTimeout(this.#pause);
    this.#failLasting(error);
  }
}

function throttled() {
  const details = { retryAfter: MINUTE / SECOND };
  return new LoudhailerError("TOO_MANY_REQUESTS", "the limit of this minute is reached", details);
}
