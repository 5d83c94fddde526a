/** The errors of this package, and what an HTTP answer means. */

import { LONGEST_WAIT, SECOND } from "./times.js";

const CODES = {
  400: "INVALID_FIELD",
  401: "UNAUTHORIZED",
  403: "FORBIDDEN",
  404: "NOT_FOUND",
  409: "CONFLICT",
  413: "TOO_LONG",
  429: "TOO_MANY_REQUESTS",
};

/** Each error of this package: `code`, and where known `channel`, `requestId`, `status`, `field`, `retryAfter`, `fatal`. */
export class LoudhailerError extends Error {
  constructor(code, message, details = {}) {
    super(message);
    Object.assign(this, details, { name: "LoudhailerError", code });
  }
}

/** The JSON of a response of fetch; LoudhailerError for an error status, or for an answer that is not an object. */
export async function answerOf(response) {
  return (await read(response))[0];
}

/** The same by another parser of JSON, and the length of the text. */
export async function read(response, parse = JSON.parse) {
  const { ok, status } = response;
  const text = await response.text();
  const body = parsed(text, parse);
  if (ok && isObject(body)) {
    return [body, text.length];
  }
  if (ok) {
    throw new LoudhailerError("MALFORMED_ANSWER", "the answer is not a JSON object", { status });
  }
  const seconds = body?.retryAfterMs > 0 ? body.retryAfterMs / SECOND : Number(response.headers.get("retry-after"));
  const reason = isText(body) ? body : (body?.error?.message ?? body?.message ?? `HTTP status ${status}`);
  throw new LoudhailerError(CODES[status] ?? "UNAVAILABLE", String(reason), {
    status,
    ...(body?.error?.field && { field: body.error.field }),
    ...(seconds > 0 && { retryAfter: Math.min(seconds, LONGEST_WAIT) }),
    fatal: status < 500 && status !== 408 && status !== 429,
  });
}

/** The value of a JSON text; undefined if it is none. */
export function parsed(text, parse) {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
export const isText = (value) => typeof value === "string";
export const isOffset = (value) => Number.isSafeInteger(value) && value >= 0;
