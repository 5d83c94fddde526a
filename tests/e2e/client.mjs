/** Drives the client in JavaScript by lines of JSON: commands come in, events and outcomes go out. Node.js 20 needs `ws`. */

import { createInterface } from "node:readline";
import WebSocket from "../node_modules/ws/wrapper.mjs";

import { connect } from "../../clients/javascript/src/loudhailer.js";
import { Server } from "../../clients/javascript/server/server.js";

const EVENTS = ["status", "broadcast", "direct", "echo", "error"];
const [, , url, tenantId] = process.argv;
const server = new Server({ url });
const clients = new Map();
const rooms = new Map();

function tell(name, event, value) {
  console.log(JSON.stringify([name, event, value ?? null]));
}

const COMMANDS = {
  connect({ name, player, grants, options }) {
    const client = connect(
      async ({ sessionId, renew }) => {
        const session = await server.createSession({ tenantId, playerId: player, sessionId, renew, grants });
        tell(name, "session", session.sessionId);
        return session;
      },
      { WebSocket, ...options },
    );
    clients.set(name, client);
    for (const event of EVENTS) {
      client.on(event, (value) => tell(name, event, event === "error" ? value.code : value));
    }
  },
  room({ name, key }) {
    const room = clients.get(name).room(key, name);
    rooms.set(name, room);
    for (const event of ["message", "joined", "left"]) {
      room.on(event, (value) => tell(name, event, value));
    }
  },
  say: ({ name, content }) => rooms.get(name).say(content),
  direct: ({ name, to, message }) => clients.get(name).direct(to, message),
  silo: ({ name, message }) => clients.get(name).silo(message),
  pool: ({ name, message }) => clients.get(name).pool(message),
  channel({ name, channel }) {
    const followed = clients.get(name).channel(channel);
    for (const event of ["subscribed", "message", "error"]) {
      followed.on(event, (value) => tell(channel, event, event === "error" ? value.code : value));
    }
  },
  close: ({ name }) => clients.get(name).close(),
  publish: ({ audience, message }) => server.publish({ audience, message }),
  report: ({ id }) => server.report(id),
  end: ({ session }) => server.endSession({ tenantId, sessionId: session }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { act, as, ...fields } = JSON.parse(line);
  Promise.resolve()
    .then(() => COMMANDS[act](fields))
    .then(
      (value) => tell(as, "done", value),
      ({ code, message }) => tell(as, "failed", code ?? message),
    );
}
