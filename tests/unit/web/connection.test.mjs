/** The page's connection, with sockets and a clock of the tests' own. Run by `node --test`. */

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { Connection, Refusal, STATES } from "../../../functions/web/console/page/connection.js";

const MINUTE = 60_000;

let passed = 0; // as the monotonic clock has it

class FakeSocket {
  static all = [];

  constructor(url) {
    this.url = url;
    this.sent = [];
    this.isClosed = false;
    FakeSocket.all.push(this);
  }

  send(text) {
    this.sent.push(text);
  }

  close() {
    this.isClosed = true;
  }

  opens() {
    this.onopen();
  }

  says(frame) {
    this.onmessage?.({ data: typeof frame === "string" ? frame : JSON.stringify(frame) });
  }

  drops() {
    this.onclose();
  }
}

/** A connection, what it observed, and the sockets it opened. */
function start({ url = async () => "wss://example/live", ...options } = {}) {
  const observed = { frames: [], states: [], opened: 0 };
  const connection = new Connection(
    url,
    {
      onFrame: (frame) => observed.frames.push(frame),
      onStatus: (status) => observed.states.push(status),
      onOpen: () => (observed.opened += 1),
    },
    { WebSocket: FakeSocket, random: () => 1, elapsed: () => passed, ...options },
  );
  connection.open();
  return { connection, observed };
}

async function settle() {
  for (let i = 0; i < 10; i += 1) {
    await Promise.resolve();
  }
}

async function pass(milliseconds) {
  passed += milliseconds;
  mock.timers.tick(milliseconds);
  await settle();
}

async function opened(options) {
  const started = start(options);
  await settle();
  FakeSocket.all[0].opens();
  return { ...started, socket: FakeSocket.all[0] };
}

const states = (observed) => observed.states.map(({ state }) => state);

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  FakeSocket.all = [];
});

test("frames go both ways once the connection is open, and not before", async () => {
  const { connection, observed } = start();
  await settle();
  const [socket] = FakeSocket.all;
  assert.equal(socket.url, "wss://example/live");
  assert.equal(connection.send({ action: "x" }), false);
  socket.opens();
  assert.equal(connection.send({ action: "x" }), true);
  socket.says({ hello: 1 });
  assert.deepEqual(socket.sent, ['{"action":"x"}']);
  assert.deepEqual(observed.frames, [{ hello: 1 }]);
  assert.deepEqual(states(observed), [STATES.CONNECTING, STATES.OPEN]);
});

test("a frame that is not JSON reaches the handler as null and its text", async () => {
  const texts = [];
  const connection = new Connection(async () => "wss://x", { onFrame: (frame, text) => texts.push([frame, text]) }, { WebSocket: FakeSocket });
  connection.open();
  await settle();
  FakeSocket.all[0].opens();
  FakeSocket.all[0].says("hello");
  assert.deepEqual(texts, [[null, "hello"]]);
});

test("a lost connection is opened again, after times that double up to a bound", async () => {
  const { observed } = await opened({ stable: 10_000 });
  FakeSocket.all[0].drops();
  for (let attempt = 0; attempt < 6; attempt += 1) {
    await pass(observed.states.at(-1).delay);
    FakeSocket.all.at(-1).drops();
  }
  const waits = observed.states.filter(({ state }) => state === STATES.WAITING);
  assert.deepEqual(waits.map(({ delay }) => delay), [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  assert.deepEqual(waits.map(({ wasOpen }) => wasOpen), [true, false, false, false, false, false, false]);
});

test("the time before the next attempt is random up to the bound", async () => {
  const { observed } = await opened({ random: () => 0.25 });
  FakeSocket.all[0].drops();
  assert.equal(observed.states.at(-1).delay, 250);
});

test("a connection that lasted resets its backoff, a short one continues it", async () => {
  const { observed } = await opened();
  FakeSocket.all[0].drops();
  await pass(1_000);
  FakeSocket.all[1].opens();
  FakeSocket.all[1].drops();
  assert.equal(observed.states.at(-1).delay, 2_000);
  await pass(2_000);
  FakeSocket.all[2].opens();
  await pass(10_000);
  FakeSocket.all[2].drops();
  assert.equal(observed.states.at(-1).delay, 1_000);
});

test("a change of the device's clock changes no backoff", async () => {
  for (const hours of [-1, 1]) {
    mock.timers.reset();
    mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: 10 * 60 * MINUTE });
    FakeSocket.all = [];
    const { observed } = await opened();
    FakeSocket.all[0].drops();
    await pass(1_000);
    FakeSocket.all[1].opens();
    mock.timers.setTime(Date.now() + hours * 60 * MINUTE);
    FakeSocket.all[1].drops();
    assert.equal(observed.states.at(-1).delay, 2_000);
  }
});

test("the URL is requested before every attempt, and an error counts as a failed attempt", async () => {
  let asked = 0;
  const { observed } = start({
    url: async () => {
      asked += 1;
      if (asked === 1) {
        throw new Error("no network");
      }
      return `wss://example/${asked}`;
    },
  });
  await settle();
  assert.equal(observed.states.at(-1).state, STATES.WAITING);
  await pass(1_000);
  assert.equal(FakeSocket.all[0].url, "wss://example/2");
});

test("an error that names a time has the next attempt made then, and no sooner or later", async () => {
  const turns = [12_340, 400, null];
  const { observed } = start({
    url: async () => {
      const retryAfter = turns.shift();
      throw Object.assign(new Error("not yet"), { retryAfter });
    },
  });
  await settle();
  assert.equal(observed.states.at(-1).delay, 12_340);
  await pass(12_339);
  assert.equal(turns.length, 2);
  await pass(1);
  assert.equal(observed.states.at(-1).delay, 400);
  await pass(400);
  assert.equal(observed.states.at(-1).delay, 1_000); // the first backoff: turns that were waited for are no failures
});

test("a second socket is opened at its turn", async () => {
  let turn = null;
  const { connection } = await opened({
    url: async () => {
      if (turn !== null) {
        throw Object.assign(new Error("not yet"), { retryAfter: turn });
      }
      return "wss://example/live";
    },
  });
  turn = 5_000;
  await pass(115 * MINUTE);
  turn = null;
  await pass(4_999);
  assert.equal(FakeSocket.all.length, 1);
  await pass(1);
  assert.equal(FakeSocket.all.length, 2);
  connection.close();
});

test("a refusal ends the attempts", async () => {
  const refusal = new Refusal("unknown tenant");
  const { observed } = start({
    url: async () => {
      throw refusal;
    },
  });
  await settle();
  await pass(MINUTE);
  assert.deepEqual(observed.states, [{ state: STATES.CONNECTING }, { state: STATES.REFUSED, reason: refusal }]);
});

test("an unanswered handshake is given up", async () => {
  const { observed } = start();
  await settle();
  await pass(15_000);
  assert.equal(FakeSocket.all[0].isClosed, true);
  assert.equal(observed.states.at(-1).state, STATES.WAITING);
});

test("a closed connection stays closed despite pending work", async () => {
  let answer;
  const { connection, observed } = start({ url: () => new Promise((resolve) => (answer = resolve)) });
  connection.close();
  answer("wss://example/live");
  await settle();
  await pass(MINUTE);
  assert.deepEqual(FakeSocket.all, []);
  assert.equal(observed.states.at(-1).state, STATES.CLOSED);
});

test("a ping goes out in less than ten minutes, its pong is not shown", async () => {
  const { observed, socket } = await opened();
  await pass(8 * MINUTE);
  assert.deepEqual(socket.sent, ['{"action":"ping"}']);
  socket.says({ action: "pong" });
  await pass(MINUTE);
  assert.deepEqual(observed.frames, []);
  assert.equal(observed.states.at(-1).state, STATES.OPEN);
});

test("an empty frame is not shown, and answers a ping", async () => {
  const { connection, observed, socket } = await opened();
  connection.check();
  socket.says("");
  await pass(10_000);
  assert.deepEqual(observed.frames, []);
  assert.equal(observed.states.at(-1).state, STATES.OPEN);
});

test("a connection that does not answer a ping is dead", async () => {
  const { connection, observed, socket } = await opened();
  connection.check();
  await pass(9_999);
  assert.equal(observed.states.at(-1).state, STATES.OPEN);
  await pass(1);
  assert.equal(socket.isClosed, true);
  assert.equal(observed.states.at(-1).state, STATES.WAITING);
});

test("any frame is an answer to a ping", async () => {
  const { connection, observed, socket } = await opened();
  connection.check();
  socket.says({ type: "broadcast", id: "b1" });
  await pass(MINUTE);
  assert.equal(observed.states.at(-1).state, STATES.OPEN);
});

test("a check during the wait starts an attempt at once", async () => {
  const { connection } = await opened();
  FakeSocket.all[0].drops();
  connection.check();
  await settle();
  assert.equal(FakeSocket.all.length, 2);
});

test("before two hours a second socket takes over, and the first is closed only then", async () => {
  const { connection, observed, socket } = await opened();
  await pass(115 * MINUTE);
  const [, successor] = FakeSocket.all;
  connection.send({ n: 1 });
  assert.equal(socket.sent.at(-1), '{"n":1}');
  successor.opens();
  connection.send({ n: 2 });
  assert.deepEqual(successor.sent, ['{"n":2}']);
  socket.says({ type: "broadcast", id: "b1" });
  successor.says({ type: "broadcast", id: "b1" });
  assert.deepEqual(observed.frames, [{ type: "broadcast", id: "b1" }]);
  assert.equal(socket.isClosed, false);
  await pass(2_000);
  assert.equal(socket.isClosed, true);
  assert.equal(observed.opened, 2);
  assert.ok(!states(observed).includes(STATES.WAITING));
  await pass(115 * MINUTE);
  assert.equal(FakeSocket.all.length, 3);
});

test("a second socket that is refused leaves the first one alone, and is tried again", async () => {
  const { observed, socket } = await opened();
  await pass(115 * MINUTE);
  FakeSocket.all[1].drops();
  assert.equal(observed.states.at(-1).state, STATES.OPEN);
  assert.equal(socket.isClosed, false);
  await pass(1_000);
  assert.equal(FakeSocket.all.length, 3);
});

test("the second socket takes over if the first one is lost", async () => {
  const { observed, socket } = await opened();
  await pass(115 * MINUTE);
  socket.drops();
  assert.equal(observed.states.at(-1).state, STATES.CONNECTING);
  FakeSocket.all[1].opens();
  assert.equal(observed.states.at(-1).state, STATES.OPEN);
  assert.equal(FakeSocket.all.length, 2);
});

const MOVE = { type: "move", overlapSeconds: 250 };

test("a client that is asked to move opens the next socket, and keeps the first one for the overlap", async () => {
  const urls = ["wss://north/live", "wss://south/live"];
  const { connection, observed, socket } = await opened({ url: async () => urls.shift() });
  socket.says(MOVE);
  await settle();
  const [, successor] = FakeSocket.all;
  assert.equal(successor.url, "wss://south/live");
  connection.send({ n: 1 });
  assert.deepEqual(socket.sent, ['{"n":1}']);
  successor.opens();
  connection.send({ n: 2 });
  assert.deepEqual(successor.sent, ['{"n":2}']);
  socket.says({ type: "broadcast", id: "b1" });
  successor.says({ type: "broadcast", id: "b1" });
  successor.says({ type: "broadcast", id: "b2" });
  await pass(249_999);
  socket.says({ type: "broadcast", id: "b2" });
  assert.equal(socket.isClosed, false);
  await pass(1);
  assert.equal(socket.isClosed, true);
  assert.deepEqual(
    observed.frames.map(({ id }) => id),
    ["b1", "b2"],
  );
});

test("a client that is moving ignores being asked again, and one that has moved can be asked again", async () => {
  const { socket } = await opened();
  socket.says(MOVE);
  socket.says(MOVE);
  await settle();
  socket.says(MOVE);
  await settle();
  assert.equal(FakeSocket.all.length, 2);
  const [, second] = FakeSocket.all;
  second.opens();
  socket.says(MOVE);
  second.says(MOVE);
  await settle();
  assert.equal(FakeSocket.all.length, 3);
  FakeSocket.all[2].opens();
  await pass(249_999);
  assert.deepEqual([socket.isClosed, second.isClosed], [false, false]);
  await pass(1);
  assert.deepEqual([socket.isClosed, second.isClosed], [true, true]);
});

test("a move that fails leaves the first socket alone, and is tried again with its overlap", async () => {
  let fails = true;
  const url = async () => {
    if (FakeSocket.all.length > 0 && fails) {
      throw new Error("503");
    }
    return "wss://example/live";
  };
  const { connection, socket } = await opened({ url });
  socket.says(MOVE);
  await settle();
  fails = false;
  await pass(1_000);
  assert.equal(FakeSocket.all.length, 2);
  FakeSocket.all[1].opens();
  await pass(249_999);
  assert.equal(socket.isClosed, false);
  connection.close();
  assert.equal(socket.isClosed, true);
});

test("a socket that is lost while a move asks for its URL is opened again, though the URL is refused", async () => {
  let refuse;
  const answers = [Promise.resolve("wss://north/live"), new Promise((_, reject) => (refuse = reject))];
  const { observed, socket } = await opened({ url: async () => answers.shift() ?? "wss://south/live" });
  socket.says(MOVE);
  await settle();
  socket.drops();
  refuse(new Error("503"));
  await settle();
  await pass(1_000);
  FakeSocket.all.at(-1).opens();
  assert.deepEqual(
    FakeSocket.all.map(({ url }) => url),
    ["wss://north/live", "wss://south/live"],
  );
  assert.equal(states(observed).at(-1), STATES.OPEN);
});

for (const [requested, kept] of [
  [undefined, 2_000],
  ["soon", 2_000],
  [-1, 2_000],
  [1e9, 120 * MINUTE],
]) {
  test(`an overlap of ${requested} seconds is bounded`, async () => {
    const { socket } = await opened();
    socket.says({ type: "move", overlapSeconds: requested });
    await settle();
    FakeSocket.all[1].opens();
    await pass(kept - 1);
    assert.equal(socket.isClosed, false);
    await pass(1);
    assert.equal(socket.isClosed, true);
  });
}

test("closing the connection closes both sockets", async () => {
  const { connection, socket } = await opened();
  await pass(115 * MINUTE);
  FakeSocket.all[1].opens();
  connection.close();
  assert.deepEqual([socket.isClosed, FakeSocket.all[1].isClosed], [true, true]);
});

test("only duplicates with the same identity are dropped", async () => {
  const { observed, socket } = await opened();
  const frames = [
    { type: "broadcast", id: "1", data: "a" },
    { message: "a", messageId: "1", srcPlayerId: "p", sentAt: 1 },
    { status: "Message sent!", messageId: "1", message: "a" },
    { action: "sendmessage", roomKey: "r", nickName: "n", content: "a", sentAt: 1 },
    { action: "sendmessage", roomKey: "r", nickName: "n", content: "a", sentAt: 2 },
  ];
  for (const frame of [...frames, ...frames]) {
    socket.says(frame);
  }
  socket.says({ action: "joinroom" });
  socket.says({ action: "joinroom" });
  assert.deepEqual(observed.frames, [...frames, frames[2], { action: "joinroom" }, { action: "joinroom" }]);
});

test("a broadcast is not forgotten because of messages in a room", async () => {
  const { observed, socket } = await opened({ remembered: 2 });
  socket.says({ type: "broadcast", id: "1" });
  for (const sentAt of [1, 2, 3]) {
    socket.says({ action: "sendmessage", roomKey: "r", content: "a", sentAt });
  }
  socket.says({ type: "broadcast", id: "1" });
  assert.deepEqual(observed.frames.map(({ type }) => type), ["broadcast", undefined, undefined, undefined]);
});

test("the number of remembered frames is bounded", async () => {
  const { observed, socket } = await opened({ remembered: 2 });
  for (const id of ["1", "2", "3", "3", "1"]) {
    socket.says({ type: "broadcast", id });
  }
  assert.deepEqual(observed.frames.map(({ id }) => id), ["1", "2", "3", "1"]);
});
