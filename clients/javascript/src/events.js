/** Events and their handlers. */

import { LoudhailerError } from "./answers.js";

export const HANDLERS = Symbol("handlers");

/** Something that has events; its errors that nobody handles are reported by its parent, or on the console. */
export class Emitter {
  [HANDLERS] = {};
  #parent;

  constructor(parent) {
    this.#parent = parent;
  }

  /** Call `handler` at each such event, until the returned function is called. */
  on(event, handler) {
    const entry = { handler };
    const entries = (this[HANDLERS][event] ??= new Set());
    entries.add(entry);
    return () => void entries.delete(entry);
  }

  report(error) {
    if (!emit(this, "error", error)) {
      this.#parent ? this.#parent.report(error) : console.warn(error);
    }
  }
}

/** Call the handlers; false if there are none. */
export function emit(target, event, value) {
  const entries = [...(target[HANDLERS][event] ?? [])];
  for (const entry of entries) {
    // A handler before it may have removed it.
    if (target[HANDLERS][event]?.has(entry)) {
      call(target, event, entry.handler, value);
    }
  }
  return entries.length > 0;
}

/** A handler that fails, at once or later, stops nothing else. */
async function call(target, event, handler, value) {
  try {
    await handler(value);
  } catch (cause) {
    if (event === "error") {
      console.error(cause);
    } else {
      target.report(new LoudhailerError("HANDLER_FAILED", `a handler of "${event}" failed: ${cause}`, { cause }));
    }
  }
}
