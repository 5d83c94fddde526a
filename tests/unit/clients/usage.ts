/** An application in TypeScript, which `make clients` compiles: the types allow what the client does, and nothing else. */

import WebSocket from "ws";
import { SignatureV4 } from "@smithy/signature-v4";

import { LoudhailerError, answerOf, connect, type Message, type Session } from "../../../clients/javascript/types/loudhailer.js";
import { Server, type Report } from "../../../clients/javascript/types/server.js";

const client = connect(async (question) => answerOf<Session>(await fetch("/session", { body: JSON.stringify(question) })), {
  WebSocket,
  parse: (text) => JSON.parse(text),
});
const stop: () => void = client.on("status", (status) => {
  if (status.state === "offline") {
    console.log(status.delay, status.error?.message);
  }
  // @ts-expect-error: only `offline` has a delay
  console.log(status.delay);
});
stop();
client.on("error", ({ code, channel, retryAfter }) => console.log(code, channel?.length, retryAfter));
// @ts-expect-error: there is no such event
client.on("weather", () => {});

const news = client.channel("news/*", { recover: { messages: 100 }, since: "last" });
news.on("message", (message: Message) => console.log(message.offset ?? 0));
news.on("presence", ({ joined }) => console.log(typeof joined === "number" ? joined : joined.length));
news.on("unrecovered", ({ epoch, offset }) => console.log(epoch, offset + 1));
// @ts-expect-error: `since` is "last"
client.channel("news", { since: 3 });

export async function talk(): Promise<string[]> {
  const room = client.room("lobby", "Ann");
  room.on("message", ({ nickName, content }) => console.log(nickName, content));
  const sent: boolean = client.silo(1) && client.pool({ a: 1 });
  const ids = [await room.say("hi"), await client.direct("bob", sent)].map(({ messageId }) => messageId);
  const { members } = await news.members({ limit: 10 });
  const { id } = await news.publish(null);
  return [...ids, id, ...members.map(({ connectionId }) => connectionId)];
}

export async function serve(sha256: ConstructorParameters<typeof SignatureV4>[0]["sha256"]): Promise<Report> {
  const credentials = { accessKeyId: "a", secretAccessKey: "b" };
  const signer = new SignatureV4({ service: "execute-api", region: "eu-central-1", credentials, sha256 });
  const server = new Server({ url: "https://api.example", signer });
  const session: Session = await server.createSession({ tenantId: "acme", playerId: "ann", grants: { "news/*": "s" } });
  await server.endSession(session);
  // @ts-expect-error: an audience names a tenant
  await server.publish({ audience: { roomKey: "lobby" }, message: 1 });
  const { broadcastId } = await server.publish({ audience: { all: true }, message: 1, priority: "bulk" });
  const [first] = await server.publishAll({ broadcasts: [{ audience: { tenantId: "acme", channel: "news/uk" }, message: 1 }] });
  if (first?.status === 202) {
    await server.report(first.body.broadcastId);
  } else {
    // @ts-expect-error: a refused broadcast has an error, and no id
    await server.report(first?.body.broadcastId);
  }
  throw new LoudhailerError("MINE", (await server.report(broadcastId)).status, { fatal: true });
}
