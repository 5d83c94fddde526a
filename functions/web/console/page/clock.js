/**
 * The server's time, by the `Date` of its answers; durations, by a clock that nobody sets.
 *
 * An answer's `Date` is cut to the second and was written between the request and the answer, so it bounds how far the
 * server's time is ahead of the monotonic clock. Many answers bound it closely, since their seconds begin at different
 * moments. Within the bounds this device's own clock is believed, which is exact where it is right.
 */

const SECOND = 1_000;

/** Milliseconds since some moment: https://developer.mozilla.org/en-US/docs/Web/API/Performance/now. */
export function elapsed() {
  return performance.now();
}

export class ServerClock {
  #lead = { least: -Infinity, most: Infinity }; // how far the server's time is ahead of `elapsed`
  #elapsed;
  #own;

  /** `monotonic` and `own` answer the milliseconds of the two clocks of this device. */
  constructor(monotonic = elapsed, own = Date.now) {
    this.#elapsed = monotonic;
    this.#own = own;
  }

  /** Note the `Date` of an answer that has just arrived, null without one, to a request sent at `asked`, by `elapsed`. */
  hear(date, asked) {
    const begun = Date.parse(date);
    if (Number.isNaN(begun)) {
      return;
    }
    const bounds = { least: begun - this.#elapsed(), most: begun + SECOND - asked };
    const least = Math.max(this.#lead.least, bounds.least);
    const most = Math.min(this.#lead.most, bounds.most);
    this.#lead = least < most ? { least, most } : bounds; // they contradict each other if a clock was stopped, as in sleep
  }

  /** The server's time, in epoch milliseconds. */
  now() {
    const { least, most } = this.#lead;
    const own = this.#own() - this.#elapsed();
    const lead = least <= own && own <= most ? own : (least + most) / 2;
    return this.#elapsed() + lead;
  }

  /** Whole milliseconds since a time of the server, at least 0; NaN if it is no time. */
  since(time) {
    return Math.max(0, Math.round(this.now() - time));
  }
}
