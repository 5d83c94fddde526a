/** The page's requests, with answers of the tests' own. Run by `node --test`. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Api } from "../../../functions/web/console/page/api.js";

const SESSION = { tenantId: "acme", sessionId: "s1", playerId: "" };

/** An API whose server gives one answer; what was asked of it. */
function answering(status, body, headers = {}) {
  const asked = [];
  globalThis.fetch = async (url, { method }) => {
    asked.push(`${method} ${url.pathname}${url.search}`);
    return new Response(JSON.stringify(body), { status, headers });
  };
  return { asked, api: new Api("https://example/", () => "", { hear() {}, now: () => 0 }) };
}

test("a session is opened, and refreshed by a client that is connected", async () => {
  const { api, asked } = answering(200, { webSocketUrl: "wss://example/live", Attributes: { sessionTTL: 60 } });
  const session = await api.openSession(SESSION);
  assert.deepEqual(session, { tenantId: "acme", sessionId: "s1", webSocketUrl: "wss://example/live", expiresIn: 60 });
  await api.openSession(SESSION, { renew: true });
  assert.deepEqual(asked, ["PUT /session?tenantId=acme&sessionId=s1", "PUT /session?tenantId=acme&sessionId=s1&renew=true"]);
});

for (const [name, status, body, headers, turn] of [
  ["the exact time of the body", 429, { reason: "connects", retryAfterMs: 1_234 }, { "retry-after": "2" }, 1.234],
  ["whole seconds of the header", 429, { message: "Too Many Requests" }, { "retry-after": "2" }, 2],
  ["an hour at most", 429, { retryAfterMs: 1e12 }, {}, 3_600],
  ["no time where none is said", 429, { message: "Too Many Requests" }, {}, undefined],
  ["no time that is none", 429, { retryAfterMs: "soon" }, { "retry-after": "Mon, 30 Nov 2026 00:00:00 GMT" }, undefined],
  ["the time of another error", 503, {}, { "retry-after": "1" }, 1],
]) {
  test(`a client waits for ${name}`, async () => {
    const { api } = answering(status, body, headers);
    await assert.rejects(api.openSession(SESSION), (error) => error.status === status && error.retryAfter === turn);
  });
}
