/** The client. */

import { LoudhailerError, isObject, isOffset, isText, read } from "./answers.js";
import { Channel, Room } from "./channel.js";
import { Connection } from "./connection.js";
import { Emitter, emit } from "./events.js";
import { Recovery } from "./recovery.js";
import { Requests, written } from "./requests.js";
import { Stream } from "./stream.js";
import { MINUTE, REMEMBERED, Recent, TIMES, backoff } from "./times.js";

const NAMES = 25; // in one subscribe frame
const OVER = ["SESSION_OVER", "CONNECTION_OVER", "UNKNOWN_CALLER"]; // connect again
const ECHO = ["NOT_QUEUED", "RESERVED_FIELD", "TOO_LONG"]; // errors of frames that are not answered
const ROOM_EVENTS = { sendmessage: "message", joinroom: "joined", leaveroom: "left" };
const GATEWAY = ["Internal server error", "Endpoint request timed out"]; // errors of API Gateway
const LATER = ["NOT_YET", "TRY_AGAIN", "UNSUBSCRIBED"]; // subscribe again

/** Connect, and stay connected until `close`. `getSession` asks your backend for a session before each connection. */
export function connect(getSession, options) {
  return new Client(getSession, options);
}

class Client extends Emitter {
  #options;
  #connection;
  #requests;
  #recovery;
  #isOver = false;
  #aborter = new AbortController();
  #channels = new Map(); // by name or pattern
  #streams = new Map(); // by the names of channels whose messages have come
  #unsubscribed = new Set(); // channels whose `subscribe` is to be sent
  #left = new Set(); // names whose `unsubscribe` is to be sent before
  #unconfirmed = new Set(); // channels and the room, of which the connection has no answer yet
  #isOutside = false; // the room is to be entered
  #retries = new Set(); // timers
  #attempt = 0; // to subscribe
  #room = null;
  #seen = { broadcast: new Recent(), direct: new Recent(), message: new Recent() };
  #wake = () => globalThis.document?.visibilityState !== "hidden" && this.check();

  constructor(getSession, options) {
    super();
    const { WebSocket, fetch } = globalThis;
    const elapsed = () => performance.now();
    this.#options = { ...TIMES, WebSocket, fetch, elapsed, random: Math.random, parse: JSON.parse, newId, ...options };
    if (!this.#options.WebSocket) {
      throw new LoudhailerError("NO_WEBSOCKET", "pass {WebSocket}: this platform has none");
    }
    this.#connection = new Connection(getSession, this.#options, {
      onStatus: (status) => this.#onStatus(status),
      onFrame: (frame, text, line) => this.#onFrame(frame, text, line),
      onKeepAlive: () => this.#subscribeAll((channel) => channel.options.recover),
      isSubscribed: () => this.#unconfirmed.size === 0,
      onError: (error) => this.report(error),
    });
    this.#requests = new Requests(this.#options, {
      send: (text) => this.#send(text),
      isOpen: () => this.#connection.isOpen,
      check: () => this.check(),
      line: () => this.#connection.line,
      next: () => this.#joining() ?? this.#unsubscription() ?? this.#subscription(),
    });
    this.#recovery = new Recovery(this, this.#options);
    // A device that wakes up, or is back in a network, may have lost its connection without a word.
    globalThis.addEventListener?.("online", this.#wake);
    globalThis.document?.addEventListener("visibilitychange", this.#wake);
    queueMicrotask(() => this.#isOver || this.#connection.open());
  }

  /** The channel of that name, subscribed on each connection. */
  channel(name, options = {}) {
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      channel = new Channel(this, name, options);
      this.#channels.set(name, channel);
      this.#subscribe(channel);
    }
    return channel;
  }

  /** Enter a room, on each connection; it takes the place of the former one. */
  room(key, nickname) {
    this.#unconfirmed.delete(this.#room);
    this.#room = new Room(this, key, nickname);
    this.#join();
    return this.#room;
  }

  /** Send JSON to a player; the promise is kept once it is stored: `{messageId}`. */
  direct(destinationPlayerId, message) {
    return this.ask({ action: "sendmessage", destinationPlayerId, message });
  }

  /** Send JSON through the tenant's own queue; false if there is no connection. */
  silo(message) {
    return this.#send(written({ action: "SiloSQS", message }));
  }

  /** Send JSON through the queue that tenants share; false if there is no connection. */
  pool(message) {
    return this.#send(written({ action: "PooledSQS", message }));
  }

  /** Find out now whether the connection carries. */
  check() {
    this.#connection.check();
  }

  close() {
    if (!this.#isOver) {
      this.#connection.close();
    }
  }

  /** Send a frame with an id, again until it is answered. */
  async ask(frame) {
    const clientMessageId = this.#options.newId();
    const text = written({ ...frame, clientMessageId });
    if (this.#isOver) {
      throw closed();
    }
    return this.#requests.ask(text, (answer) => answer.clientMessageId === clientMessageId);
  }

  #send(text) {
    const isSent = this.#connection.send(text);
    if (isSent) {
      emit(this, "frame", { text, isSent });
    }
    return isSent;
  }

  #onStatus(status) {
    if (status.state === "open") {
      this.#left.clear(); // a new connection has no channels
      this.#join();
      this.#subscribeAll();
    } else if (status.state === "closed") {
      this.#end();
    } else {
      this.#requests.interrupt();
    }
    emit(this, "status", status);
    this.#requests.pump();
  }

  #end() {
    this.#isOver = true;
    globalThis.removeEventListener?.("online", this.#wake);
    globalThis.document?.removeEventListener("visibilitychange", this.#wake);
    this.#retries.forEach(clearTimeout);
    this.#recovery.end();
    this.#aborter.abort();
    this.#streams.forEach((stream) => stream.end());
    this.#requests.end(closed());
  }

  // Rooms and subscriptions

  #join() {
    if (this.#room !== null) {
      this.#isOutside = true;
      this.#unconfirmed.add(this.#room);
      this.#requests.pump();
    }
  }

  #joining() {
    if (!this.#isOutside) {
      return null;
    }
    this.#isOutside = false;
    const room = this.#room;
    const { key, nickname } = room;
    return {
      isSubscription: true,
      text: JSON.stringify({ action: "joinroom", roomKey: key, nickName: nickname }),
      answers: ({ action, roomKey, nickName }) => action === "joinroom" && roomKey === key && nickName === nickname,
      done: () => this.#unconfirmed.delete(room),
      failed: (error) => {
        if (error.code === "TRY_AGAIN") {
          this.#later(() => room === this.#room && this.#join());
        } else {
          this.#unconfirmed.delete(room);
          room.report(error);
        }
      },
    };
  }

  #later(act, delay = backoff(this.#options, this.#attempt++)) {
    const timer = setTimeout(() => {
      this.#retries.delete(timer);
      act();
    }, delay);
    this.#retries.add(timer);
  }

  #subscribe(channel) {
    this.#unsubscribed.add(channel);
    this.#unconfirmed.add(channel);
    if (channel.options.recover && !channel.name.endsWith("/*")) {
      this.#stream(channel.name).isPending = true;
    }
    queueMicrotask(() => this.#requests.pump()); // so that channels of one moment share a frame
  }

  #subscribeAll(isMeant = () => true) {
    [...this.#channels.values()].filter(isMeant).forEach((channel) => this.#subscribe(channel));
  }

  #subscription() {
    const channels = [...this.#unsubscribed].slice(0, NAMES);
    if (channels.length === 0) {
      return null;
    }
    channels.forEach((channel) => this.#unsubscribed.delete(channel));
    const entries = channels.map(({ name, options }) => {
      const stream = this.#streams.get(name);
      const since = options.recover && (stream?.epoch ? stream.since : options.since);
      const details = { ...(since && { since }), ...(options.nickname && { nickName: options.nickname }) };
      return Object.keys(details).length > 0 ? { channel: name, ...details } : name;
    });
    // A name that is refused may come back without its end.
    const meant = (result) =>
      channels.find(({ name }) => name === result.channel || (result.error && name.startsWith(result.channel)));
    return {
      isSubscription: true,
      text: JSON.stringify({ action: "subscribe", channels: entries }),
      answers: ({ type, results }) => type === "subscribed" && results.every(meant),
      done: ({ results }) => results.forEach((result) => this.#onSubscribed(meant(result), result)),
      failed: (error) => channels.forEach((channel) => this.#onRefused(channel, error)),
    };
  }

  #onSubscribed(channel, result) {
    if (this.#channels.get(channel.name) !== channel) {
      return; // it was left meanwhile
    }
    if (result.error) {
      this.#onRefused(channel, result.error);
      return;
    }
    this.#attempt = 0;
    this.#unconfirmed.delete(channel);
    if (channel.options.recover) {
      for (const stream of this.#streams.values()) {
        if (stream.name === channel.name) {
          stream.subscribed({ ...result, messages: this.#checked(result.messages ?? []) });
        } else if (!this.#channels.has(stream.name) && this.#listeners(stream.name).includes(channel)) {
          stream.subscribed({}); // a pattern has no position
        }
      }
    }
    emit(channel, "subscribed", result);
  }

  #onRefused(channel, { code, message, requestId }) {
    if (LATER.includes(code)) {
      const act = () => this.#channels.get(channel.name) === channel && this.#subscribe(channel);
      this.#later(act, code === "NOT_YET" ? MINUTE : undefined);
    } else {
      this.#unconfirmed.delete(channel);
      this.#streams.get(channel.name)?.refused();
      const details = { channel: channel.name, ...(requestId && { requestId }) };
      channel.report(new LoudhailerError(code, message, details));
    }
  }

  /** A channel was left. */
  left(channel) {
    if (this.#channels.get(channel.name) !== channel) {
      return;
    }
    this.#channels.delete(channel.name);
    this.#unsubscribed.delete(channel);
    this.#unconfirmed.delete(channel);
    this.#streams.forEach((stream) => this.#listeners(stream.name).length === 0 && this.#forget(stream));
    this.#left.add(channel.name);
    queueMicrotask(() => this.#requests.pump());
  }

  #unsubscription() {
    const names = [...this.#left].slice(0, NAMES);
    if (names.length === 0) {
      return null;
    }
    names.forEach((name) => this.#left.delete(name));
    const text = JSON.stringify({ action: "unsubscribe", channels: names });
    return { text, answers: ({ type }) => type === "unsubscribed", done() {}, failed() {}, isOnce: true };
  }

  /** The channels that get the messages of this one: itself, and patterns `a/*`. */
  #listeners(name) {
    const prefixes = name.split("/").slice(0, -1);
    const patterns = prefixes.map((_, index) => `${prefixes.slice(0, index + 1).join("/")}/*`);
    return [name, ...patterns].flatMap((each) => this.#channels.get(each) ?? []);
  }

  #stream(name) {
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      stream = new Stream(name, this.#options.gap, {
        isOrdered: () => this.#listeners(name).some(({ options }) => options.recover),
        bound: () => Math.max(...this.#listeners(name).map(({ options }) => options.recover?.messages ?? Infinity)),
        emit: (event, value) => this.#listeners(name).forEach((channel) => emit(channel, event, value)),
        report: (error) => this.#listeners(name).forEach((channel) => channel.report(error)),
        recover: (isSpread) => this.#recovery.add(stream, isSpread),
      });
      this.#streams.set(name, stream);
      const others = [...this.#streams.values()].filter((other) => !this.#channels.has(other.name));
      if (others.length > REMEMBERED) {
        this.#forget(others[0]);
      }
    }
    return stream;
  }

  #forget(stream) {
    stream.end();
    this.#streams.delete(stream.name);
  }

  /** GET what belongs to a channel: its JSON, and the length of its text. */
  async get(channel, what, query) {
    const { tenantId, sessionId, httpUrl } = this.#connection.session ?? {};
    if (!isText(httpUrl)) {
      throw new LoudhailerError("UNREACHABLE", "the session names no httpUrl", { channel, fatal: true });
    }
    const given = Object.entries({ ...query, tenantId }).filter(([, value]) => value !== undefined && value !== null);
    const name = channel.split("/").map(encodeURIComponent).join(":").replaceAll("%40", "@");
    const path = `channel/${name}/${what}?${new URLSearchParams(given)}`;
    const headers = { authorization: `Bearer ${sessionId}` };
    const signal = AbortSignal.any([this.#aborter.signal, AbortSignal.timeout(this.#options.session)]);
    const { fetch, parse } = this.#options;
    try {
      return await read(await fetch(`${httpUrl.replace(/\/$/, "")}/${path}`, { headers, signal, redirect: "error" }), parse);
    } catch (cause) {
      throw cause instanceof LoudhailerError
        ? Object.assign(cause, { channel })
        : new LoudhailerError("UNREACHABLE", "the service cannot be reached", { channel, cause });
    }
  }

  // Frames

  #onFrame(frame, text, line) {
    emit(this, "frame", { text, isSent: false });
    try {
      if (!isObject(frame)) {
        throw new TypeError("no JSON object");
      }
      this.#take(frame, line);
    } catch (cause) {
      this.#malformed(text, cause);
    }
  }

  #malformed(text, cause) {
    const message = `not a frame of the service: ${text.slice(0, 200)}`;
    this.report(new LoudhailerError("MALFORMED_FRAME", message, { cause }));
  }

  #take(frame, line) {
    const { type, action, error, requestId } = frame;
    if (error) {
      this.#onError(new LoudhailerError(error.code, error.message, { requestId }), line);
    } else if ("queue" in frame) {
      emit(this, "echo", frame);
    } else if (frame.message === "Too Many Requests" && requestId) {
      const refusal = new LoudhailerError("TOO_MANY_REQUESTS", "the limit of this minute is reached", { requestId });
      if (!this.#requests.throttle(refusal)) {
        this.report(refusal);
      }
    } else if (type === "broadcast") {
      this.#once(type, frame.id, frame);
    } else if (type === "message") {
      this.#checked([frame]).forEach((message) => {
        if (this.#listeners(message.channel).length > 0) {
          this.#stream(message.channel).take(message);
        }
      });
    } else if (type === "presence") {
      this.#listeners(frame.channel).forEach((channel) => emit(channel, "presence", frame));
    } else if (GATEWAY.includes(frame.message) && requestId) {
      this.#onError(new LoudhailerError("TRY_AGAIN", frame.message, { requestId }), line);
    } else {
      this.#requests.answer(frame, line);
      if (action in ROOM_EVENTS) {
        this.#onRoomFrame(ROOM_EVENTS[action], frame);
      } else if ("messageId" in frame && !("status" in frame)) {
        this.#once("direct", frame.messageId, frame);
      }
    }
  }

  /** While two connections overlap, a frame may come twice. */
  #once(event, id, frame, target = this) {
    if (!isText(id)) {
      throw new TypeError("no id");
    }
    if (this.#seen[event].add(id)) {
      emit(target, event, frame);
    }
  }

  #onRoomFrame(event, frame) {
    if (frame.roomKey !== this.#room?.key) {
      return; // of the former room
    }
    if (event === "message") {
      const { connectionId, content, sentAt } = frame;
      this.#once(event, frame.messageId ?? JSON.stringify([connectionId, content, sentAt]), frame, this.#room);
    } else {
      emit(this.#room, event, frame);
    }
  }

  #onError(error, line) {
    if (OVER.includes(error.code)) {
      this.report(error);
      this.#connection.leave(line);
    } else if (ECHO.includes(error.code) || !this.#requests.fail(error)) {
      this.report(error);
    }
  }

  /** Messages without those that are malformed, which are reported. */
  #checked(messages) {
    return messages.filter((message) => {
      const { channel, id, offset, epoch } = message ?? {};
      const isPlaced = offset === undefined || (isOffset(offset) && offset > 0 && isText(epoch));
      const isMessage = isText(channel) && isText(id) && isPlaced;
      if (!isMessage) {
        this.#malformed(JSON.stringify(message));
      }
      return isMessage;
    });
  }
}

function closed() {
  return new LoudhailerError("CLOSED", "the client is closed");
}

/** An id that nobody else makes; `crypto.randomUUID` is missing where a page does not come by HTTPS. */
function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
