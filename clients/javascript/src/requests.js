/** Frames that are answered. */

import { LoudhailerError } from "./answers.js";
import { MINUTE } from "./times.js";

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
 * is `{text, answers(frame), done(frame), failed(error)}`, with `isLasting` if it outlives its connection, and `isSubscription`.
 */
export class Requests {
  #queue = [];
  #current = null;
  #answerBy;
  #pause = null;
  #times;
  #hooks;

  /** `hooks`: `send(text)`, `isOpen()`, `check()`, and `next()` for a request that goes before all others, or null. */
  constructor(times, hooks) {
    this.#times = times;
    this.#hooks = hooks;
  }

  /** A subscription is under way, or waits for the next minute. */
  get isSubscribing() {
    return [this.#current, ...this.#queue].some((request) => request?.isSubscription);
  }

  /** Send a frame again until it is answered; a promise of the answer, for a minute. */
  ask(text, answers) {
    return new Promise((resolve, reject) => {
      if (this.#queue.length >= PENDING) {
        throw new LoudhailerError("TOO_MANY_PENDING", `${PENDING} requests are waiting`);
      }
      const request = { text, answers, done: resolve, failed: reject, isLasting: true };
      request.deadline = setTimeout(() => {
        this.#drop(request);
        reject(new LoudhailerError("NO_ANSWER", "the service has not answered in time"));
      }, this.#times.request);
      this.#queue.push(request);
      this.pump();
    });
  }

  /** Send a request once; it ends with its connection. */
  add(request) {
    this.#queue.push(request);
    this.pump();
  }

  pump() {
    if (this.#current === null && this.#pause === null && this.#hooks.isOpen()) {
      this.#current = this.#hooks.next() ?? this.#queue.shift() ?? null;
      this.#transmit();
    }
  }

  #transmit() {
    if (this.#current !== null) {
      this.#hooks.send(this.#current.text);
      this.#answerBy = setTimeout(() => {
        this.#hooks.check();
        this.#transmit();
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

  /** Take a frame as the answer; false if it is not. */
  answer(frame) {
    const request = this.#current;
    if (!request?.answers(frame)) {
      return false;
    }
    request.done(frame);
    this.#drop(request);
    return true;
  }

  /** Take an error as the answer; false if there is no request. */
  fail(error) {
    const request = this.#current;
    request?.failed(error);
    if (request !== null) {
      this.#drop(request);
    }
    return request !== null;
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
