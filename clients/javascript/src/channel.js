/** What an application holds: channels, and the room. */

import { Emitter, HANDLERS } from "./events.js";

/** A subscription to a channel, or with `news/*` to all below a prefix. */
export class Channel extends Emitter {
  name;
  options;
  #client;

  constructor(client, name, options) {
    super(client);
    this.#client = client;
    this.name = name;
    this.options = options;
  }

  /** Publish JSON; the promise is kept once the service has accepted it: `{id, offset?, epoch?}`. */
  publish(data) {
    return this.#client.ask({ action: "publish", channel: this.name, data });
  }

  /** A page of the channel's members: `{count, members, next?}`. */
  async members({ limit, next } = {}) {
    return (await this.#client.get(this.name, "presence", { limit, next }))[0];
  }

  /** Unsubscribe; no handler of this channel is called again. */
  leave() {
    this[HANDLERS] = {};
    this.#client.left(this);
  }
}

/** The room that the connection is in. */
export class Room extends Emitter {
  key;
  nickname;
  #client;

  constructor(client, key, nickname) {
    super(client);
    this.#client = client;
    this.key = key;
    this.nickname = nickname;
  }

  /** Say JSON to everyone in the room; the promise is kept once the service has accepted it. */
  say(content) {
    return this.#client.ask({ action: "sendmessage", roomKey: this.key, content });
  }
}
