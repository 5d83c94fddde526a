/** The server's time, with two clocks of the tests' own. Run by `node --test`. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ServerClock, elapsed } from "../../../functions/web/console/page/clock.js";

const HOUR = 3_600_000;
const START = Date.parse("2026-11-29T20:00:00.400Z");

/** A server, and a device whose clock is wrong by so many milliseconds; `wait` lets time pass for both. */
function clockAgainst(wrongBy) {
  const time = { passed: 0 };
  const monotonic = () => time.passed + 77;
  const server = () => START + time.passed;
  const clock = new ServerClock(monotonic, () => server() + time.wrongBy);
  time.wrongBy = wrongBy;
  return {
    clock,
    server,
    time,
    wait: (milliseconds) => (time.passed += milliseconds),
    /** Ask the server, which answers after `there` and is heard after `back`. */
    ask(there = 20, back = 20) {
      const asked = monotonic();
      time.passed += there;
      const date = new Date(server()).toUTCString();
      time.passed += back;
      clock.hear(date, asked);
    },
  };
}

test("a correct clock is used to the millisecond", () => {
  const { clock, ask, server, wait } = clockAgainst(0);
  ask();
  wait(1_234);
  assert.equal(clock.now(), server());
});

test("the device's clock is used before the first answer", () => {
  const { clock, server } = clockAgainst(-HOUR);
  assert.equal(clock.now(), server() - HOUR);
});

for (const wrongBy of [-HOUR, HOUR, -5_000, 5_000, -365 * 24 * HOUR]) {
  test(`a clock that is wrong by ${wrongBy} ms is corrected`, () => {
    const { clock, ask, server, wait } = clockAgainst(wrongBy);
    ask();
    assert.ok(Math.abs(clock.now() - server()) <= 520, "one answer tells the second");
    for (let n = 0; n < 20; n += 1) {
      wait(333);
      ask();
    }
    assert.ok(Math.abs(clock.now() - server()) <= 60, "many answers tell more");
    const published = server() - 250;
    assert.ok(Math.abs(clock.since(published) - 250) <= 60);
  });
}

test("a change of the device's clock has no effect", () => {
  const { clock, ask, server, time } = clockAgainst(0);
  for (let n = 0; n < 20; n += 1) {
    time.passed += 333;
    ask();
  }
  time.wrongBy = HOUR;
  assert.ok(Math.abs(clock.now() - server()) <= 60);
});

test("an answer without a valid date has no effect", () => {
  const { clock, server } = clockAgainst(HOUR);
  clock.hear(null, 0);
  clock.hear("soon", 0);
  assert.equal(clock.now(), server() + HOUR);
});

test("the next answer corrects the clock after a sleep that stopped the monotonic clock", () => {
  const awake = START + 8 * HOUR;
  const clock = new ServerClock(
    () => 77,
    () => 0,
  );
  for (const time of [START, awake]) {
    clock.hear(new Date(time).toUTCString(), 77);
  }
  assert.ok(Math.abs(clock.now() - awake) <= 1_000);
});

test("nothing arrives before it was sent", () => {
  const { clock, ask, server } = clockAgainst(HOUR);
  ask();
  assert.equal(clock.since(server() + 10 * HOUR), 0);
  assert.ok(Number.isNaN(clock.since(undefined)));
});

test("durations are measured by a monotonic clock", () => {
  const before = elapsed();
  assert.ok(elapsed() >= before);
});
