/** The HTTP API, relative to the page, with advice about its errors. */

import { elapsed } from "./clock.js";
import { LoudhailerError, answerOf } from "./loudhailer.js";

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

  /** Create a session, or with `renew` refresh that of a client that is connected: a session as the client wants it. */
  async openSession({ tenantId, sessionId, playerId }, { renew = false } = {}) {
    const query = { tenantId, sessionId, ...(playerId && { playerId }), ...(renew && { renew }) };
    const { webSocketUrl, Attributes } = await this.#call("PUT", "session", { query });
    return { tenantId, sessionId, webSocketUrl, expiresIn: Attributes.sessionTTL - this.#clock.now() / 1000 };
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
      throw new LoudhailerError("UNREACHABLE", advice({}, request));
    }
    this.#clock.hear(response.headers.get("date"), asked);
    try {
      return await answerOf(response);
    } catch (error) {
      throw Object.assign(error, { message: advice(error, request) });
    }
  }
}

/** A sentence about the error, and what the user can do about it. */
function advice({ status, field, message }, request) {
  const details = message ? ` (${message})` : "";
  switch (status) {
    case undefined:
      return "The server cannot be reached. Check your network, then try again.";
    case 400:
      return request.endsWith("/session") && !field
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
