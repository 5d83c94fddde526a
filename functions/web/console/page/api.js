/** The HTTP API, relative to the page, with advice about its errors. */

import { elapsed } from "./clock.js";

const SECOND = 1_000;
const LONGEST_WAIT = 3_600 * SECOND;

/** The API answered with an error status, or (status 0) did not answer. */
export class ApiError extends Error {
  constructor(status, body, request, retryAfter = null) {
    super(advice(status, body, request));
    this.status = status;
    this.retryAfter = retryAfter; // the milliseconds after which to ask again, if the server has sent them
  }

  /** Whether the same request may succeed later. */
  get isPassing() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

export class Api {
  #base;
  #token;
  #clock;

  /** `token` answers the access token to send along, or an empty text; `clock` hears the dates of all answers. */
  constructor(base, token, clock) {
    this.#base = base;
    this.#token = token;
    this.#clock = clock;
  }

  tenants() {
    return this.#call("GET", "tenant").then(({ Items }) => Items);
  }

  /**
   * Create or refresh a session: the URL that its sockets connect to, ids included, and how long it lives, in ms. Where
   * more clients come than may connect, ApiError has `retryAfter`, unless this client `isConnected`, and only refreshes.
   */
  async openSession({ tenantId, sessionId, playerId }, { isConnected = false } = {}) {
    const query = { tenantId, sessionId, ...(playerId && { playerId }), ...(isConnected && { renew: true }) };
    const answer = await this.#call("PUT", "session", { query });
    return {
      url: `${answer.webSocketUrl}?${new URLSearchParams({ tenantId, sessionId })}`,
      lifetime: answer.Attributes.sessionTTL * 1000 - this.#clock.now(),
    };
  }

  endSession({ tenantId, sessionId }) {
    return this.#call("DELETE", "session", { query: { tenantId, sessionId } });
  }

  publish(audience, message) {
    return this.#call("POST", "broadcast", { body: { audience, message } }).then(({ broadcastId }) => broadcastId);
  }

  report(broadcastId) {
    return this.#call("GET", `broadcast/${encodeURIComponent(broadcastId)}`);
  }

  async #call(method, path, { query, body } = {}) {
    const url = new URL(path, this.#base);
    url.search = new URLSearchParams(query ?? {});
    const headers = {};
    if (this.#token()) {
      headers.authorization = `Bearer ${this.#token()}`;
    }
    if (body !== undefined) {
      headers["content-type"] = "application/json";
    }
    const request = `${method} /${path.split("/")[0]}`;
    const asked = elapsed();
    let response;
    try {
      response = await fetch(url, { method, headers, body: body && JSON.stringify(body), cache: "no-store" });
    } catch {
      throw new ApiError(0, null, request);
    }
    this.#clock.hear(response.headers.get("date"), asked);
    const answer = await response.json().catch(() => null);
    if (!response.ok) {
      throw new ApiError(response.status, answer, request, waitOf(response, answer));
    }
    return answer;
  }
}

/** The milliseconds that a client is to wait for its turn, or null. A page of another origin cannot read the header. */
function waitOf({ status, headers }, answer) {
  const wait = answer?.retryAfterMs ?? Number(headers.get("retry-after")) * SECOND;
  return status === 429 && wait > 0 ? Math.min(wait, LONGEST_WAIT) : null;
}

/** A sentence about the error, and what the user can do about it. */
function advice(status, body, request) {
  const message = body?.error?.message ?? body?.message ?? (typeof body === "string" ? body : "");
  const details = message ? ` (${message})` : "";
  switch (status) {
    case 0:
      return "The server cannot be reached. Check your network, then try again.";
    case 400:
      return request.endsWith("/session") && !body?.error
        ? "The session was refused: the tenant is unknown, or an id has characters that are not allowed. Check both."
        : `The request was refused${details}. Correct it, then try again.`;
    case 401:
    case 403:
      return `${request} is not allowed from this page. Ask the operator for an access token, or let the operator do it.`;
    case 404:
      return `It does not exist${details}. Check the tenant's id.`;
    case 409:
      return `The session belongs to another player${details}. End it, then create a new one.`;
    case 413:
      return `The message is too long${details}. Shorten it.`;
    case 429:
      return "Too many requests at once. Wait a few seconds, then try again.";
    default:
      return `The server answered with an error (${status}). Wait a few seconds, then try again.`;
  }
}
