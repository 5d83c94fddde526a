/** Recovery of missed messages, by pages of a channel's history. */

import { LoudhailerError, isOffset, isText } from "./answers.js";
import { MINUTE, backoff, delayOf } from "./times.js";

const PAGE = 100;
const MESSAGES = 10_000;
const CHARACTERS = 16 * 1024 * 1024;
const LONGEST = 2 * MINUTE;

/** Recovers one stream after the other; one that fails waits for another try, and holds up nobody. */
export class Recovery {
  #queue = [];
  #isRunning = false;
  #timers = new Set();
  #client;
  #options;

  constructor(client, options) {
    this.#client = client;
    this.#options = options;
  }

  /** All clients come back at once after an incident: with `isSpread` they ask at different moments. */
  add(stream, isSpread) {
    if (!stream.isRecovering && !stream.isOver) {
      stream.isRecovering = true;
      const entry = { stream, attempt: 0, begun: this.#options.elapsed() };
      this.#wait(entry, isSpread && !this.#isRunning ? this.#options.random() * this.#options.spread : 0);
    }
  }

  end() {
    this.#timers.forEach(clearTimeout);
    this.#queue = [];
  }

  #wait(entry, delay) {
    if (delay === 0) {
      this.#queue.push(entry);
      this.#run();
    } else {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        this.#wait(entry, 0);
      }, delay);
      this.#timers.add(timer);
    }
  }

  async #run() {
    if (!this.#isRunning) {
      this.#isRunning = true;
      while (this.#queue.length > 0) {
        await this.#recover(this.#queue.shift());
      }
      this.#isRunning = false;
    }
  }

  async #recover(entry) {
    const { stream } = entry;
    const { epoch } = stream;
    const settle = (act) => {
      if (!stream.isOver) {
        stream.epoch === epoch ? act() : stream.abandon();
      }
    };
    try {
      const { messages, page } = await this.#pages(stream, epoch);
      settle(() => (messages ? stream.complete(messages, page) : stream.lose(page)));
    } catch (error) {
      const delay = delayOf(error, () => backoff(this.#options, entry.attempt));
      const isLate = this.#options.elapsed() + delay > entry.begun + LONGEST;
      if (stream.isOver) {
        return;
      }
      if ((error.fatal && error.status !== 401) || isLate) {
        settle(() => stream.giveUp(error));
        return;
      }
      if (entry.attempt === 0) {
        stream.report(error);
      }
      entry.attempt += 1;
      this.#wait(entry, delay);
    }
  }

  /** Keep the pages until the last one has come: whole, or not at all. */
  async #pages(stream, epoch) {
    const messages = [];
    let after = stream.next - 1;
    let characters = 0;
    for (;;) {
      const query = epoch === null ? { limit: 0 } : { epoch, after, limit: PAGE };
      const [page, length] = await this.#client.get(stream.name, "messages", query);
      const found = messagesOf(page, after, epoch);
      after += found.length;
      characters += length;
      const isBounded = messages.push(...found) <= Math.min(stream.bound, MESSAGES) && characters <= CHARACTERS;
      if (!page.recovered || !isBounded) {
        return { page };
      }
      if (!page.more || stream.isOver) {
        return { messages, page };
      }
    }
  }
}

/** The messages of a page of this epoch behind `after`; an error if it is no such page. */
function messagesOf({ recovered, epoch, last, messages = [], more }, after, known) {
  const isNext = (message, index) => message?.offset === after + index + 1 && message.epoch === epoch;
  const isWhole = Array.isArray(messages) && messages.every(isNext) && (messages.length > 0 || !more);
  if (!isText(epoch) || !isOffset(last) || (recovered && !(isWhole && (known ?? epoch) === epoch))) {
    throw new LoudhailerError("MALFORMED_ANSWER", "the service has answered no page of a history", { fatal: true });
  }
  return recovered ? messages : [];
}
