/** The table of cases that both clients share, played against the one in JavaScript. Run by `node --test`. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { LoudhailerError, connect } from "../../../clients/javascript/src/loudhailer.js";

const { defaults, cases } = JSON.parse(readFileSync(new URL("../../../clients/cases.json", import.meta.url)));

/** A clock that is set by hand, in the place of the platform's timers. */
class ScriptedClock {
  now = 0;
  #timers = new Map();
  #last = 0;

  install() {
    globalThis.setTimeout = (act, delay = 0) => this.#add(act, delay, false);
    globalThis.setInterval = (act, delay) => this.#add(act, delay, true);
    globalThis.clearTimeout = globalThis.clearInterval = (timer) => void this.#timers.delete(timer);
  }

  get left() {
    return this.#timers.size;
  }

  #add(act, delay, isRepeated) {
    this.#last += 1;
    this.#timers.set(this.#last, { at: this.now + delay, act, delay: isRepeated ? delay : null });
    return this.#last;
  }

  async pass(milliseconds) {
    const end = this.now + milliseconds;
    for (;;) {
      await settle();
      const [timer, due] = [...this.#timers].reduce((a, b) => (b[1].at < a[1].at ? b : a), [0, { at: Infinity }]);
      if (due.at > end) {
        break;
      }
      this.now = due.at;
      if (due.delay === null) {
        this.#timers.delete(timer);
      } else {
        due.at += due.delay;
      }
      due.act();
    }
    this.now = end;
    await settle();
  }
}

async function settle() {
  for (let turn = 0; turn < 50; turn += 1) {
    await null;
  }
}

/** What a case does, and what it has seen. */
class Stage {
  clock = new ScriptedClock();
  sockets = [];
  #questions = []; // of getSession
  #requests = [];
  #events = [];
  #objects = new Map();
  #unsubscribe = new Map();
  #answers;
  #client;

  constructor({ options = {}, sessions = [], pongs = false }) {
    this.clock.install();
    this.#answers = [...sessions];
    const stage = this;
    let ids = 0;
    this.#client = connect((question) => this.#session(question), {
      random: () => options.random ?? 1,
      elapsed: () => this.clock.now,
      newId: () => `id-${(ids += 1)}`,
      fetch: (url, { headers }) => this.#fetch(url, headers),
      WebSocket: class {
        sent = [];
        isClosed = false;

        constructor(url) {
          this.url = url;
          stage.sockets.push(this);
        }

        send(text) {
          if (pongs && text === '{"action":"ping"}') {
            queueMicrotask(() => this.onmessage({ data: '{"action":"pong"}' }));
          } else {
            this.sent.push(JSON.parse(text));
          }
        }

        close() {
          this.isClosed = true;
        }
      },
    });
    this.#watch("client", this.#client, ["status", "broadcast", "direct", "echo", "error"]);
  }

  async #session(question) {
    this.#questions.push(question);
    const answer = this.#answers.shift() ?? {};
    if (answer === "never") {
      return new Promise(() => {});
    }
    if (answer.error) {
      const { code, retry_after: retryAfter, ...details } = answer.error;
      throw new LoudhailerError(code, "refused", { ...details, ...(retryAfter && { retryAfter }) });
    }
    const { tenant_id, session_id, websocket_url, http_url, expires_in } = { ...defaults.session, ...answer };
    return { tenantId: tenant_id, sessionId: session_id, webSocketUrl: websocket_url, httpUrl: http_url, expiresIn: expires_in };
  }

  #fetch(url, headers) {
    return new Promise((resolve, reject) => {
      this.#requests.push({ request: `GET ${url}`, headers, resolve, reject });
    });
  }

  #watch(name, object, events) {
    this.#objects.set(name, object);
    for (const event of events) {
      this.#unsubscribe.set(
        `${name} ${event}`,
        object.on(event, (value) => this.#events.push([name, event, seen(event, value)])),
      );
    }
  }

  #await(name, promise) {
    promise.then(
      (value) => this.#events.push([name, "done", value]),
      (error) => this.#events.push([name, "failed", error.code]),
    );
  }

  acts = {
    channel: ({ channel, recover, since, nickname }) => {
      const events = ["message", "presence", "unrecovered", "subscribed", "error"];
      this.#watch(channel, this.#client.channel(channel, { recover, since, nickname }), events);
    },
    leave: ({ leave }) => this.#objects.get(leave).leave(),
    publish: ({ publish, data, as }) => this.#await(as, this.#objects.get(publish).publish(data)),
    members: ({ members, as, limit, next }) => this.#await(as, this.#objects.get(members).members({ limit, next })),
    room: ({ room, nickname }) =>
      this.#watch(`room ${room}`, this.#client.room(room, nickname), ["message", "joined", "left", "error"]),
    say: ({ say, content, as }) => this.#await(as, this.#objects.get(`room ${say}`).say(content)),
    direct: ({ direct, message, as }) => this.#await(as, this.#client.direct(direct, message)),
    silo: ({ silo, sent }) => assert.equal(this.#client.silo(silo), sent),
    pool: ({ pool, sent }) => assert.equal(this.#client.pool(pool), sent),
    directs: ({ directs, as }) => {
      for (let number = 1; number <= directs; number += 1) {
        this.#await(`${as}${number}`, this.#client.direct("bob", number));
      }
    },
    channels: ({ channels }) => {
      for (let number = 0; number < channels; number += 1) {
        this.#client.channel(`c${number}`);
      }
    },
    long: ({ long, as }) => this.#await(as, this.#client.direct("bob", "x".repeat(long))),
    check: () => this.#client.check(),
    close: () => this.#client.close(),
    check_and_close: () => {
      this.#client.check();
      this.#client.close();
    },
    closes_on: ({ closes_on: wanted }) =>
      this.#client.on("status", ({ state }) => state === wanted && this.#client.close()),
    leaves_on: ({ leaves_on: [name, event] }) => {
      const channel = this.#objects.get(name);
      channel.on(event, () => channel.leave());
      channel.on(event, () => this.#events.push([name, "called although it was left"]));
    },
    unsubscribe: ({ unsubscribe }) => this.#unsubscribe.get(unsubscribe)(),
    fail: ({ fail: [name, event] }) =>
      this.#objects.get(name).on(event, () => {
        throw new Error("a handler's own error");
      }),
    pass: ({ pass }) => this.clock.pass(pass),
    opens: ({ opens }) => this.sockets[opens].onopen(),
    drops: ({ drops }) => this.sockets[drops].onclose(),
    frame: ({ frame, on = 0 }) => this.sockets[on].onmessage({ data: JSON.stringify(frame) }),
    frames: ({ frames, on = 0 }) => {
      const { from, to, ...fields } = frames;
      for (let offset = from; offset <= to; offset += 1) {
        this.sockets[on].onmessage({ data: JSON.stringify({ ...fields, id: `m${offset}`, offset, data: offset }) });
      }
    },
    text: ({ text, on = 0 }) => this.sockets[on].onmessage({ data: text }),
    sent: ({ sent, on = 0 }) => assert.deepEqual(this.sockets[on].sent.splice(0), sent),
    count: ({ count, on = 0 }) => assert.equal(this.sockets[on].sent.splice(0).length, count),
    sockets: ({ sockets }) =>
      assert.deepEqual(
        this.sockets.map(({ isClosed }) => (isClosed ? "closed" : "open")),
        sockets,
      ),
    first: ({ first }) => assert.equal(this.sockets[0].isClosed, first === "closed"),
    urls: ({ urls }) =>
      assert.deepEqual(
        this.sockets.map(({ url }) => url),
        urls,
      ),
    asked: ({ asked }) =>
      assert.deepEqual(
        this.#questions.splice(0).map(({ sessionId, renew }) => ({ session_id: sessionId ?? null, renew })),
        asked,
      ),
    request: ({ request, authorization, answer }) => {
      const { resolve, reject, ...made } = this.#requests.shift() ?? { request: null };
      assert.equal(made.request, request);
      if (authorization) {
        assert.equal(made.headers.authorization, authorization);
      }
      if (answer === "unreachable") {
        reject(new TypeError("fetch failed"));
      } else {
        const { status = 200, headers = {}, body } = answer;
        const text = async () => (typeof body === "string" ? body : JSON.stringify(body));
        resolve({ ok: status < 300, status, headers: new Headers(headers), text });
      }
    },
    requests: ({ requests }) => assert.equal(this.#requests.length, requests),
    discard: ({ keep = [] }) => {
      this.#events = this.#events.filter(([, event]) => keep.includes(event));
    },
    seen_count: ({ seen_count: expected }) => assert.equal(this.#events.splice(0).length, expected),
    seen: ({ seen: expected }) => assert.deepEqual(this.#events.splice(0), expected),
  };

  async play(step) {
    const act = Object.keys(step).find((key) => key in this.acts);
    assert.ok(act, `no act in ${JSON.stringify(step)}`);
    await this.acts[act](step);
    await settle();
  }
}

/** An event's value as the table has it. */
function seen(event, value) {
  switch (event) {
    case "error":
      return value.channel === undefined ? value.code : [value.code, value.channel];
    case "status":
      return [value.state, ...(value.delay === undefined ? [] : [value.delay]), ...(value.error ? [value.error.code] : [])];
    case "broadcast":
    case "message":
      return value.data ?? value.content;
    case "direct":
      return value.message;
    default:
      return value;
  }
}

for (const { name, steps, ...settings } of cases) {
  test(name, async () => {
    const { setTimeout, setInterval, clearTimeout, clearInterval } = globalThis;
    const { warn, error } = console;
    console.warn = console.error = () => {};
    const stage = new Stage(settings);
    try {
      if (!settings.early) {
        await settle();
      }
      for (const [number, step] of steps.entries()) {
        try {
          await stage.play(step);
        } catch (cause) {
          throw new Error(`step ${number}, ${JSON.stringify(step)}: ${cause.message}`, { cause });
        }
      }
      await stage.play({ close: true });
      assert.equal(stage.clock.left, 0, "a timer is left after the end");
      assert.ok(stage.sockets.every(({ isClosed }) => isClosed), "a socket is left after the end");
    } finally {
      Object.assign(globalThis, { setTimeout, setInterval, clearTimeout, clearInterval });
      Object.assign(console, { warn, error });
    }
  });
}
