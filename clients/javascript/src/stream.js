/** The order of a channel. */

import { isOffset, isText } from "./answers.js";
import { REMEMBERED, Recent } from "./times.js";

/** One channel's messages: by offset, each once; a gap is recovered, or reported. Without history each id once. */
export class Stream {
  name;
  epoch = null;
  next = 1;
  isPending = false; // the answer to a `subscribe` is under way
  isRecovering = false;
  isOver = false;
  #hooks;
  #gap;
  #former; // the epoch before this one: its late messages are dropped
  #last = 0; // the greatest offset that is known
  #held = new Map(); // messages behind a gap
  #seen = new Set(); // offsets that a later message has replaced
  #waiting = []; // messages of an epoch that the next answer tells
  #ids = new Recent();
  #timer = null;
  #wasFull = false;

  /** `gap` in milliseconds; `hooks`: `isOrdered()`, `bound()`, `emit(event, value)`, `report(error)`, `recover(isSpread)`. */
  constructor(name, gap, hooks) {
    this.name = name;
    this.#gap = gap;
    this.#hooks = hooks;
  }

  get since() {
    return { epoch: this.epoch, offset: this.next - 1 };
  }

  report(error) {
    this.#hooks.report(error);
  }

  /** Messages that a recovery may bring. */
  get bound() {
    return this.#hooks.bound();
  }

  take(message) {
    const { id, epoch, offset, replaces } = message;
    if (offset === undefined || !this.#hooks.isOrdered()) {
      if (this.#ids.add(id)) {
        this.#hooks.emit("message", message);
      }
    } else if (epoch !== this.epoch) {
      this.#takeOther(message);
    } else {
      this.#last = Math.max(this.#last, offset);
      if (Array.isArray(replaces)) {
        replaces.filter((replaced) => replaced >= this.next && replaced < offset).forEach((replaced) => this.#seen.add(replaced));
      }
      if (offset === this.next || (offset > this.next && this.#hasRoom(this.#held.size))) {
        this.#held.set(offset, message);
      }
      this.#handOn();
    }
  }

  #hasRoom(size) {
    this.#wasFull ||= size >= REMEMBERED;
    return size < REMEMBERED;
  }

  #takeOther(message) {
    if (message.epoch === this.#former) {
      return;
    }
    if (this.isPending || this.isRecovering) {
      if (this.#hasRoom(this.#waiting.length)) {
        this.#waiting.push(message);
      }
      return;
    }
    const isFirst = this.epoch === null;
    this.#begin(message.epoch, message.offset);
    if (!isFirst) {
      this.#unrecovered();
    }
    this.take(message);
  }

  #begin(epoch, next) {
    if (epoch !== this.epoch) {
      this.#former = this.epoch;
      this.#held.clear();
    }
    this.#seen.clear();
    this.epoch = epoch;
    this.next = next;
    this.#last = Math.max(next - 1, ...this.#held.keys());
  }

  #handOn() {
    for (; this.#held.has(this.next) || this.#seen.has(this.next); this.next += 1) {
      const message = this.#held.get(this.next);
      this.#held.delete(this.next);
      if (message) {
        this.#hooks.emit("message", message);
      }
    }
    if (this.next > this.#last) {
      this.#held.clear();
      this.#seen.clear();
    } else {
      this.#timer ??= setTimeout(() => {
        this.#timer = null;
        if (this.next <= this.#last && !this.isPending) {
          this.#hooks.recover(false);
        }
      }, this.#gap);
    }
  }

  /** Take in the answer to a `subscribe`. */
  subscribed({ epoch, offset, recovered, recover, messages = [] }) {
    this.isPending = false;
    if (!isText(epoch) || !isOffset(offset)) {
      this.#hooks.recover(true); // as on a further cell: the hub has the position
    } else if (this.epoch === null) {
      this.#begin(epoch, messages[0]?.offset ?? offset + (recover ? 0 : 1));
      this.#complete(messages, offset, recover);
    } else if (recovered === false || epoch !== this.epoch) {
      this.lose({ epoch, last: offset });
    } else {
      this.#complete(messages, offset, recover);
    }
  }

  #complete(messages, last, recover) {
    messages.forEach((message) => this.take(message));
    this.#last = Math.max(last, this.next - 1, ...this.#held.keys());
    if (recover && this.next <= last) {
      this.#hooks.recover(true);
    }
    this.#settle();
  }

  /** Hand on what was recovered. */
  complete(messages, { epoch, last }) {
    this.isRecovering = false;
    if (this.epoch === null) {
      this.#begin(epoch, last + 1);
    }
    this.#complete(messages, last, false);
  }

  /** Begin behind a position; what came before it is missed. */
  lose({ epoch, last }) {
    this.isRecovering = false;
    this.#begin(epoch, last + 1);
    this.#unrecovered();
    this.#settle();
  }

  /** Begin with the first message that has come since: nothing can be recovered. */
  giveUp(error) {
    this.isRecovering = false;
    this.#hooks.report(error);
    if (this.epoch !== null) {
      this.next = this.#held.size > 0 ? Math.min(...this.#held.keys()) : this.#last + 1;
      this.#unrecovered();
    }
    this.#waiting.sort((a, b) => a.offset - b.offset);
    this.#settle();
  }

  /** Leave a recovery alone that came too late. */
  abandon() {
    this.isRecovering = false;
    this.#settle();
  }

  /** The subscription was refused for good. */
  refused() {
    this.isPending = false;
    this.#settle();
  }

  #settle() {
    this.#waiting.splice(0).forEach((message) => this.take(message));
    if (this.epoch !== null) {
      this.#handOn();
    }
    if (this.#wasFull) {
      this.#wasFull = false;
      this.#hooks.recover(false);
    }
  }

  #unrecovered() {
    this.#hooks.emit("unrecovered", { channel: this.name, ...this.since });
  }

  end() {
    clearTimeout(this.#timer);
    this.isOver = true;
  }
}
