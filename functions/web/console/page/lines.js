/** A list that new lines come to at the end; the oldest leave it. Everything is shown as text, never as markup. */

const KEPT = 200;

export class Lines {
  #list;
  #fresh = [];

  /** `list`: the scrolling element that the lines are put into. */
  constructor(list) {
    this.#list = list;
  }

  /** A line of parts, each a text or a pair of a text and the name of its style. */
  add(...parts) {
    this.#fresh.push(lineOf(parts));
    if (this.#fresh.length === 1) {
      requestAnimationFrame(() => this.#show()); // a thousand frames a second are one change of the page
    } else if (this.#fresh.length > KEPT) {
      this.#fresh.splice(1, 1);
    }
  }

  clear() {
    this.#fresh = [];
    this.#list.replaceChildren();
  }

  #show() {
    const list = this.#list;
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    list.append(...this.#fresh);
    this.#fresh = [];
    while (list.childElementCount > KEPT) {
      list.firstElementChild.remove();
    }
    if (atEnd) {
      list.scrollTop = list.scrollHeight;
    }
  }
}

function lineOf(parts) {
  const line = document.createElement("p");
  line.append(timeNow(), ...parts.flatMap((part) => [" ", partOf(part)]));
  return line;
}

function partOf(part) {
  const [text, style] = Array.isArray(part) ? part : [part, ""];
  const span = document.createElement("span");
  span.textContent = text;
  span.className = style;
  return span;
}

function timeNow() {
  const now = new Date();
  const time = document.createElement("time");
  time.dateTime = now.toISOString();
  time.textContent = now.toLocaleTimeString([], { hourCycle: "h23" });
  return time;
}
