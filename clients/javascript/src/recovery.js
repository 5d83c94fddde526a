/** What a channel has missed, by pages of its history. */

import { LoudhailerError, isOffset, isText } from "./answers.js";
import { backoff, delayOf } from "./times.js";

const PAGE = 100;
const MESSAGES = 10_000;
const CHARACTERS = 16 * 1024 * 1024;

/** Recovers one stream after the other. */
export class Recovery {
  #queue = [];
  #isRunning = false;
  #timer;
  #client;
  #options;

  constructor(client, options) {
    this.#client = client;
    this.#options = options;
  }

  /** All clients come back at once after an incident: with `isSpread` they ask at different moments. */
  add(stream, isSpread) {
    if (!stream.isRecovering) {
      stream.isRecovering = true;
      this.#queue.push(stream);
      if (!this.#isRunning) {
        this.#run(isSpread);
      }
    }
  }

  end() {
    clearTimeout(this.#timer);
    this.#queue = [];
  }

  async #run(isSpread) {
    this.#isRunning = true;
    if (isSpread) {
      await this.#sleep(this.#options.random() * this.#options.spread);
    }
    while (this.#queue.length > 0) {
      await this.#recover(this.#queue.shift());
    }
    this.#isRunning = false;
  }

  /** Keep the pages until the last one has come: whole, or not at all. */
  async #recover(stream) {
    const { epoch } = stream;
    const messages = [];
    let after = stream.next - 1;
    let characters = 0;
    for (let attempt = 0; !stream.isOver; ) {
      try {
        const query = epoch === null ? { limit: 0 } : { epoch, after, limit: PAGE };
        const [page, length] = await this.#client.get(stream.name, "messages", query);
        if (stream.isOver) {
          return;
        }
        const found = messagesOf(page, after, epoch);
        after += found.length;
        characters += length;
        const isBounded = messages.push(...found) <= Math.min(stream.bound, MESSAGES) && characters <= CHARACTERS;
        if (!page.recovered || !isBounded) {
          return stream.lose(page);
        }
        if (!page.more) {
          return stream.complete(messages, page);
        }
        attempt = 0;
      } catch (error) {
        if (error.fatal && error.status !== 401) {
          return stream.giveUp(error);
        }
        await this.#sleep(delayOf(error, () => backoff(this.#options, attempt++)));
      }
    }
  }

  #sleep(milliseconds) {
    return new Promise((resolve) => {
      this.#timer = setTimeout(resolve, milliseconds);
    });
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
