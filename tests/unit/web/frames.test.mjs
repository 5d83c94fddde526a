/** The kinds of frames. Run by `node --test`. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { kindOf, textOf } from "../../../functions/web/console/page/frames.js";

const KINDS = [
  ["broadcast", { type: "broadcast", id: "1", publishedAt: 1, data: "x" }],
  ["message", { action: "sendmessage", roomKey: "r", nickName: "n", content: "c", sentAt: 1 }],
  ["message", { action: "sendmessage", roomKey: "r", nickName: "n", content: "c", sentAt: 1, messageId: "1" }],
  ["join", { action: "joinroom", roomKey: "r", nickName: "n" }],
  ["leave", { action: "leaveroom", roomKey: "r", nickName: "n" }],
  ["direct", { message: "m", messageId: "1", srcPlayerId: "p", sentAt: 1 }],
  ["stored", { status: "Message sent!", messageId: "1", message: "m", srcPlayerId: "p", destinationPlayerId: "q" }],
  ["echo", { message: { action: "SiloSQS" }, tenantId: "t", sessionId: "s", connectionId: "c", queue: "q" }],
  ["throttled", { message: "Too Many Requests", connectionId: "c", requestId: "r" }],
  ["error", { error: { code: "NOT_JSON", message: "m" }, connectionId: "c", requestId: "r" }],
  ["other", { action: "SiloSQS", message: "Too Many Requests" }],
  ["other", { action: "constructor" }],
  ["other", null],
  ["other", [1]],
  ["other", "text"],
];

for (const [kind, frame] of KINDS) {
  test(`${JSON.stringify(frame)} is ${kind}`, () => assert.equal(kindOf(frame), kind));
}

test("a text is shown unchanged, any other value as JSON", () => {
  assert.deepEqual(["<b>", { a: 1 }, null, undefined].map(textOf), ["<b>", '{"a":1}', "null", ""]);
});
