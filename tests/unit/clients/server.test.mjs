/** The side of a backend: the cases that both clients share, and signatures. Run by `node --test`. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { LoudhailerError, connect } from "../../../clients/javascript/src/loudhailer.js";
import { Server } from "../../../clients/javascript/server/server.js";

const { server: cases } = JSON.parse(readFileSync(new URL("../../../clients/cases.json", import.meta.url)));
const camel = (name) => name.replace(/_./g, ([, letter]) => letter.toUpperCase());

/** A server whose requests are compared with these exchanges, one after the other. */
function scripted(exchanges, options) {
  const fetch = async (url, { method, headers, body }) => {
    const { request, answer } = exchanges.shift();
    assert.equal(`${method} ${url}`, `${request.method} ${request.url}`);
    assert.deepEqual(body && JSON.parse(body), request.body);
    if (request.headers) {
      assert.deepEqual(headers, request.headers);
    }
    if (answer === "unreachable") {
      throw new TypeError("fetch failed");
    }
    const text = typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body);
    return new Response(text, { status: answer.status, headers: answer.headers });
  };
  return new Server({ url: "https://api.example/", fetch, pause: async () => {}, ...options });
}

for (const { name, call, options, arguments: named, exchanges, result, error } of cases) {
  test(name, async () => {
    const given = Object.fromEntries(Object.entries(named).map(([key, value]) => [camel(key), value]));
    const made = scripted(exchanges, options)[camel(call)](call === "report" ? given.broadcastId : given);
    if (error === undefined) {
      assert.deepEqual((await made) ?? null, result);
    } else {
      await assert.rejects(made, (caught) => {
        const { code, message, status, field, retryAfter, fatal } = caught;
        const found = { code, status, field, retry_after: retryAfter, fatal: fatal || undefined };
        assert.ok(caught instanceof LoudhailerError);
        assert.deepEqual({ ...found, message: error.message && message }, { ...expectation, ...error });
        return true;
      });
    }
    assert.deepEqual(exchanges, []);
  });
}

const expectation = Object.fromEntries(
  ["code", "status", "field", "retry_after", "fatal", "message"].map((name) => [name, undefined]),
);

test("an id is made up for a session and for a broadcast", async () => {
  const asked = [];
  const fetch = async (url, { body }) => {
    asked.push(url.searchParams.get("sessionId") ?? JSON.parse(body).broadcastId);
    const fields = { broadcastId: "b", webSocketUrl: "wss://x", Attributes: { sessionTTL: 1 } };
    return new Response(JSON.stringify(fields));
  };
  const server = new Server({ url: "https://api.example", fetch });
  const { sessionId } = await server.createSession({ tenantId: "acme" });
  await server.publish({ audience: { all: true }, message: 1 });
  assert.equal(asked[0], sessionId);
  assert.match(asked[1], /^[0-9a-f-]{36}$/);
});

test("a value that is no JSON is refused", async () => {
  const WebSocket = class {};
  const client = connect(() => new Promise(() => {}), { WebSocket });
  await assert.rejects(client.direct("bob", 1n), { name: "LoudhailerError", code: "NOT_JSON" });
  assert.throws(() => client.silo(1n), { code: "NOT_JSON" });
  client.close();
});

test("a URL that cannot be opened is an error without the session's secret", async () => {
  const session = { tenantId: "acme", sessionId: "secret", webSocketUrl: "wss://x" };
  const WebSocket = class {
    constructor(url) {
      throw new SyntaxError(url);
    }
  };
  const client = connect(async () => session, { WebSocket });
  const error = await new Promise((resolve) => client.on("status", (status) => status.error && resolve(status.error)));
  client.close();
  assert.equal(error.code, "MALFORMED_ANSWER");
  assert.ok(!String(error).includes("secret"));
});

test("a signer gets the whole request, and its headers are sent", async () => {
  const signed = [];
  const signer = {
    async sign(request) {
      signed.push(request);
      return { headers: { ...request.headers, authorization: "AWS4-HMAC-SHA256 ..." } };
    },
  };
  let sent;
  const fetch = async (_, { headers }) => {
    sent = headers;
    return new Response('{"broadcastId":"b1"}', { status: 202 });
  };
  const server = new Server({ url: "http://127.0.0.1:8080/stage", signer, fetch });
  await server.publish({ audience: { all: true }, message: 1, broadcastId: "b1" });
  assert.deepEqual(signed, [
    {
      method: "POST",
      protocol: "http:",
      hostname: "127.0.0.1",
      port: 8080,
      path: "/stage/broadcast",
      query: {},
      headers: { "content-type": "application/json", host: "127.0.0.1:8080" },
      body: '{"audience":{"all":true},"message":1,"broadcastId":"b1"}',
    },
  ]);
  assert.deepEqual(sent, { "content-type": "application/json", authorization: "AWS4-HMAC-SHA256 ..." });
});

test("a broadcast whose id is undefined is repeated as the same one", async () => {
  const bodies = [];
  const fetch = async (_url, { body }) => {
    bodies.push(JSON.parse(body));
    if (bodies.length === 1) {
      throw new TypeError("fetch failed");
    }
    return new Response(JSON.stringify({ results: [{ status: 202, body: {} }] }));
  };
  const server = new Server({ url: "https://api.example/", fetch, pause: async () => {} });
  await server.publishAll({ broadcasts: [{ audience: { tenantId: "a" }, message: 1, broadcastId: undefined }] });
  assert.deepEqual(bodies[0], bodies[1]);
  assert.equal(bodies[0].broadcasts[0].broadcastId.length, 36);
});
