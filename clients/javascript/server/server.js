/** The side of your backend: sessions, broadcasts and their reports. */

import { LoudhailerError, answerOf } from "../src/loudhailer.js";

const TRIES = 3;
const LONGEST_PAUSE = 10; // seconds

/** The HTTP API of a deployment. `token` goes into each request; `signer` signs it, as @smithy/signature-v4 does. */
export class Server {
  #options;

  constructor({ url, ...options }) {
    this.#options = {
      fetch: globalThis.fetch,
      timeout: 30_000,
      pause: (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1_000)),
      ...options,
      url: url.replace(/\/$/, ""),
    };
  }

  /** Open a session, or with `renew` refresh that of a client that is connected. */
  async createSession({ tenantId, playerId, sessionId = crypto.randomUUID(), renew, grants }) {
    const query = { tenantId, sessionId, playerId, renew: renew || undefined };
    const [answer, now] = await this.#call("PUT", "/session", { query, body: grants && { grants } });
    const { webSocketUrl, Attributes } = answer;
    if (typeof webSocketUrl !== "string" || typeof Attributes?.sessionTTL !== "number") {
      throw malformed(answer);
    }
    return { tenantId, sessionId, webSocketUrl, httpUrl: this.#options.url, expiresIn: Attributes.sessionTTL - now };
  }

  /** End a session, and close its connections. */
  async endSession({ tenantId, sessionId, playerId }) {
    await this.#call("DELETE", "/session", { query: { tenantId, sessionId, playerId } });
  }

  /** Send JSON to an audience. It is sent once, although a request without an answer is repeated: the id is the same. */
  async publish({ audience, message, broadcastId = crypto.randomUUID(), ...more }) {
    const body = { audience, message, broadcastId, ...more };
    return await this.#repeated("/broadcast", body, (answer) => typeof answer.broadcastId === "string");
  }

  /** Send up to 100 broadcasts, each once. The results are in their order; a refused one does not stop the others. */
  async publishAll({ broadcasts }) {
    const body = { broadcasts: broadcasts.map((one) => ({ ...one, broadcastId: one.broadcastId ?? crypto.randomUUID() })) };
    const isLegal = ({ results }) => Array.isArray(results) && results.length === broadcasts.length;
    return (await this.#repeated("/broadcasts", body, isLegal)).results;
  }

  /** Post a body whose broadcasts have ids; post it again if there is no answer. */
  async #repeated(path, body, isLegal) {
    for (let attempt = 0; ; attempt += 1) {
      try {
        const [answer] = await this.#call("POST", path, { body });
        if (!isLegal(answer)) {
          throw malformed(answer);
        }
        return answer;
      } catch (error) {
        const seconds = (error.retryAfter ?? 0) + Math.random() * 2 ** attempt;
        if (error.fatal || error.status === 429 || attempt + 1 === TRIES || seconds > LONGEST_PAUSE) {
          throw error;
        }
        await this.#options.pause(seconds);
      }
    }
  }

  /** The report of a broadcast, as far as it is known by now. */
  async report(broadcastId) {
    const [report] = await this.#call("GET", `/broadcast/${encodeURIComponent(broadcastId)}`);
    if (typeof report.status !== "string") {
      throw malformed(report);
    }
    return report;
  }

  /** The answer, and the time of the service in epoch seconds. */
  async #call(method, path, { query = {}, body } = {}) {
    const { url, token, signer, fetch, timeout } = this.#options;
    const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
    const address = new URL(`${url}${path}${given.length > 0 ? `?${String(new URLSearchParams(given)).replaceAll("+", "%20")}` : ""}`);
    const text = body && JSON.stringify(body);
    let headers = { ...(text && { "content-type": "application/json" }), ...(token && { authorization: `Bearer ${token}` }) };
    if (signer) {
      headers = await signed(signer, method, address, headers, text);
    }
    const signal = AbortSignal.timeout(timeout);
    try {
      const response = await fetch(address, { method, headers, body: text, signal, redirect: "error" });
      return [await answerOf(response), (Date.parse(response.headers.get("date")) || Date.now()) / 1_000];
    } catch (cause) {
      throw cause instanceof LoudhailerError
        ? cause
        : new LoudhailerError("UNREACHABLE", "the service cannot be reached", { cause });
    }
  }
}

async function signed(signer, method, { protocol, hostname, port, host, pathname, searchParams }, headers, body) {
  const sign = (request) =>
    signer.sign(request).catch((cause) => {
      throw new LoudhailerError("UNAUTHORIZED", `the request cannot be signed: ${cause}`, { cause, fatal: true });
    });
  const request = await sign({
    method,
    protocol,
    hostname,
    ...(port && { port: Number(port) }),
    path: pathname,
    query: Object.fromEntries(searchParams),
    headers: { ...headers, host },
    body,
  });
  const { host: _, ...others } = request.headers; // fetch sets it by itself
  return others;
}

function malformed(answer) {
  const text = JSON.stringify(answer).slice(0, 200);
  return new LoudhailerError("MALFORMED_ANSWER", `not an answer of the service: ${text}`, { fatal: true });
}
