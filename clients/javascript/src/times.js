/** Times in milliseconds, bounds, and the time before another try. */

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;

/** Options of `connect` may override them. */
export const TIMES = {
  keepAlive: [8 * MINUTE, 9 * MINUTE], // API Gateway closes an idle connection after 10 minutes,
  renewal: [105 * MINUTE, 115 * MINUTE], // and each one after two hours
  overlap: 2 * SECOND,
  longestOverlap: 120 * MINUTE,
  handshake: 15 * SECOND,
  session: 30 * SECOND,
  answer: 10 * SECOND,
  request: MINUTE,
  gap: 500,
  spread: SECOND, // over which clients that come back ask for what they have missed
  shortestBackoff: SECOND,
  longestBackoff: 30 * SECOND,
  stable: 10 * SECOND, // a connection that was open for so long resets the backoff
};

export const REMEMBERED = 1_000; // ids, frames behind a gap, and channels that a pattern has brought
export const LONGEST_WAIT = 3_600; // seconds

/** A random time in a range of the options. */
export function between({ random, ...options }, name) {
  const [least, most] = options[name];
  return least + random() * (most - least);
}

/** Full jitter: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/ */
export function backoff({ random, shortestBackoff, longestBackoff }, attempt) {
  return Math.round(random() * Math.min(longestBackoff, shortestBackoff * 2 ** attempt));
}

/** A 429 names this client's own turn; the time that another error names is everybody's, so it is spread. */
export function delayOf(error, spread) {
  const turn = Math.min(error?.retryAfter ?? 0, LONGEST_WAIT) * SECOND;
  return turn > 0 ? turn + (error.status === 429 ? 0 : spread()) : spread();
}

/** The newest values, up to a number of them. */
export class Recent {
  #values = new Set();

  /** Remember a value; false if it is remembered already. */
  add(value) {
    if (this.#values.has(value)) {
      return false;
    }
    this.#values.add(value);
    if (this.#values.size > REMEMBERED) {
      this.#values.delete(this.#values.values().next().value);
    }
    return true;
  }
}
