/** The page: connects its inputs to the service, and shows the answers. */

import { Api } from "./api.js";
import { ServerClock } from "./clock.js";
import { parse, textOf } from "./frames.js";
import { LatencyPlot } from "./latency.js";
import { Lines } from "./lines.js";
import { connect } from "./loudhailer.js";

const REPORT_INTERVAL = 500;

const byId = (id) => document.getElementById(id);
const configuration = JSON.parse(document.querySelector("meta[name=configuration]").content);

const forms = {
  session: byId("session-form"),
  publish: byId("publish-form"),
  join: byId("join-form"),
  say: byId("say-form"),
  direct: byId("direct-form"),
  echo: byId("echo-form"),
};
const lines = {
  broadcasts: new Lines(byId("broadcasts")),
  conversation: new Lines(byId("conversation")),
  direct: new Lines(byId("direct")),
  echo: new Lines(byId("echo")),
  log: new Lines(byId("log")),
};
const plot = new LatencyPlot({
  plot: byId("plot"),
  curve: byId("plot-curve"),
  dots: byId("plot-dots"),
  scale: byId("plot-scale"),
  summary: byId("plot-summary"),
});
const clock = new ServerClock();
const api = new Api(document.baseURI, () => forms.session.elements.token.value, clock);

let session = null; // { tenantId, sessionId, playerId }
let client = null; //  while there is a connection, or one is wanted
let room = null; //    { roomKey, nickName, isJoined, say }
let isOpen = false;
let delivered = 0;

// A page that is older than the cell to which it is sent has no permission to connect there.
document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => {
  if (effectiveDirective === "connect-src") {
    notify("This page is older than the server to which it is sent. Load it again.");
  }
});

// The connection

function open() {
  client = connect((question) => api.openSession(session, question), { parse });
  client.on("status", showStatus);
  client.on("frame", ({ text, isSent }) => lines.log.add(isSent ? ["→", "sent"] : ["←", "received"], text));
  client.on("broadcast", showBroadcast);
  client.on("direct", ({ srcPlayerId, message }) => lines.direct.add([`${textOf(srcPlayerId)}:`, "name"], textOf(message)));
  client.on("echo", ({ queue, message }) => lines.echo.add([textOf(queue), "badge"], textOf(message?.message ?? message)));
  client.on("error", showError);
  if (room !== null) {
    join(room);
  }
}

function showStatus({ state, delay, wasOpen, error }) {
  isOpen = state === "open";
  const seconds = Math.ceil(delay / 1000);
  const status = byId("status");
  status.dataset.state = state === "closed" && error ? "refused" : state;
  status.textContent = {
    closed: error ? "Refused" : "Not connected",
    connecting: "Connecting …",
    open: "Connected",
    offline: `${wasOpen ? "Connection lost" : "Not let in: many come at once, or a limit is reached"}; again in ${seconds} s`,
  }[state];
  if (state === "closed") {
    client = null;
    if (error) {
      session = null; // the server does not know it
      notify(error.message);
    }
  }
  if (room !== null && !isOpen) {
    room.isJoined = false;
  }
  enable();
}

function showBroadcast(frame) {
  const latency = clock.since(frame.publishedAt);
  delivered += 1;
  byId("delivered").textContent = delivered.toLocaleString();
  if (Number.isFinite(latency)) {
    byId("latest").textContent = `${latency} ms`;
    plot.add(latency);
  }
  lines.broadcasts.add(textOf(frame.data), [Number.isFinite(latency) ? `${latency} ms` : "", "event"]);
}

function showJoin({ roomKey, nickName }) {
  lines.conversation.add([`${textOf(nickName)} joined ${textOf(roomKey)}`, "event"]);
  if (room !== null && roomKey === room.roomKey) {
    room.isJoined = true;
    enable();
  }
}

function showError({ code, message }) {
  switch (code) {
    case "SESSION_OVER":
      return notify("The session was over. It is being created again.");
    case "TOO_MANY_REQUESTS":
      return notify("Too many messages: this minute's limit is reached. Wait until the next minute, then send again.");
    case "NO_ANSWER":
    case "NOT_SENT":
    case "CLOSED":
      return notify("There is no connection now. It comes back by itself; send again then.");
    default:
      return notify(`The message was refused: ${message} (${code}). Correct it, then send again.`);
  }
}

// Sessions

forms.session.addEventListener("submit", (event) => {
  event.preventDefault();
  dismiss();
  if (client !== null) {
    client.close();
    return;
  }
  const { tenantId, playerId } = forms.session.elements;
  session ??= { tenantId: tenantId.value.trim(), sessionId: crypto.randomUUID(), playerId: playerId.value.trim() };
  open();
});

byId("end").addEventListener("click", async () => {
  dismiss();
  const ended = session;
  client?.close();
  session = room = null;
  enable();
  byId("toggle").focus(); // a button that is off has no focus
  try {
    await api.endSession(ended);
  } catch (error) {
    notify(error.message);
  }
});

/** Enable the controls that can be used now, and disable all others. */
function enable() {
  byId("toggle").textContent = client !== null ? "Disconnect" : session ? "Connect" : "Create session and connect";
  byId("end").disabled = session === null;
  byId("session-fields").disabled = session !== null;
  for (const fields of document.querySelectorAll("fieldset.connected")) {
    fields.disabled = !isOpen;
  }
  byId("say-fields").disabled = !isOpen || !room?.isJoined;
  byId("direct-fields").disabled = !isOpen || !session?.playerId;
  byId("direct-hint").hidden = Boolean(session?.playerId);
}

async function listTenants() {
  let tenants;
  try {
    tenants = await api.tenants();
  } catch (error) {
    notify(error.message); // the id can still be typed
    return;
  }
  const select = document.createElement("select");
  select.name = "tenantId";
  for (const tenant of tenants.toSorted((a, b) => a.tenantId.localeCompare(b.tenantId))) {
    const limits = `${tenant.messagesPerMinute}/min${tenant.silo ? ", silo" : ""}`;
    select.append(new Option(`${tenant.tenantId} (${limits})`, tenant.tenantId));
  }
  if (tenants.length > 0) {
    forms.session.elements.tenantId.replaceWith(select);
  }
}

// Rooms and messages

forms.join.addEventListener("submit", (event) => {
  event.preventDefault();
  const { roomKey, nickName } = forms.join.elements;
  if (nickName.value.trim() === "") {
    return;
  }
  join({ roomKey: roomKey.value.trim(), nickName: nickName.value.trim() });
});

function join({ roomKey, nickName }) {
  const joined = client.room(roomKey, nickName);
  room = { roomKey, nickName, isJoined: false, say: (content) => joined.say(content) };
  joined.on("joined", showJoin);
  joined.on("left", ({ nickName: left }) => lines.conversation.add([`${textOf(left)} left`, "event"]));
  joined.on("message", ({ nickName: speaker, content }) => lines.conversation.add([textOf(speaker), "name"], textOf(content)));
}

onText(forms.say, "content", (content) => void room.say(content).catch(showError));

onText(forms.direct, "message", (message) => {
  const to = forms.direct.elements.destinationPlayerId.value.trim();
  const stored = () => lines.direct.add([`to ${to}:`, "event"], message, ["stored", "badge"]);
  client.direct(to, message).then(stored, showError);
});

onText(forms.echo, "message", (message, button) => {
  client[button.value](message);
});

/** Let a form send the text of one of its fields, which API Gateway may refuse; blank text stays where it is. */
function onText(form, name, act) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const field = form.elements[name];
    if (field.value.trim() !== "") {
      try {
        act(field.value, event.submitter);
        field.value = "";
      } catch (error) {
        showError(error);
      }
    }
  });
}

// Publishing

forms.publish.addEventListener("submit", async (event) => {
  event.preventDefault();
  dismiss();
  const { audience, text } = forms.publish.elements;
  const chosen = audienceOf(audience.value);
  if (chosen === null) {
    notify("Nobody is meant by that yet: create a session, and join a room or choose a player, then publish.");
    return;
  }
  try {
    const broadcastId = await api.publish(chosen, text.value);
    text.value = "";
    await follow(broadcastId);
  } catch (error) {
    notify(error.message);
  }
});

/** The audience of a choice, or null while there is none. */
function audienceOf(choice) {
  const tenantId = session?.tenantId ?? forms.session.elements.tenantId.value.trim();
  return {
    all: { all: true },
    tenant: tenantId ? { tenantId } : null,
    room: room && { tenantId, roomKey: room.roomKey },
    player: session?.playerId ? { tenantId, playerId: session.playerId } : null,
    session: session && { tenantId, sessionId: session.sessionId },
  }[choice];
}

/** Show the report of a broadcast until it is finished, or another one is followed. */
async function follow(broadcastId) {
  const box = byId("report");
  box.dataset.broadcastId = broadcastId;
  box.hidden = false;
  byId("report-title").textContent = `Report of ${broadcastId}`;
  byId("progress").removeAttribute("value");
  byId("report-text").textContent = "Accepted";
  while (box.dataset.broadcastId === broadcastId) {
    let report;
    try {
      report = await api.report(broadcastId);
    } catch (error) {
      if (error.fatal) {
        throw error;
      }
      notify(error.message);
    }
    if (report && box.dataset.broadcastId === broadcastId) {
      showReport(report);
    }
    if (report?.status === "finished") {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, REPORT_INTERVAL));
  }
}

function showReport({ status, expected, dispatched, delivered: reached, gone, failed, publishedAt, finishedAt }) {
  const isFinished = status === "finished";
  const progress = byId("progress");
  progress.max = Math.max(isFinished ? dispatched : Math.max(expected ?? 0, dispatched), 1);
  progress.value = isFinished ? progress.max : reached + gone + failed;
  const end = isFinished ? `finished after ${finishedAt - publishedAt} ms` : status;
  byId("report-text").textContent = `${reached} of ${dispatched} delivered, ${gone} gone, ${failed} failed: ${end}`;
}

// Notices

function notify(text) {
  byId("notice-text").textContent = text;
  byId("dismiss").hidden = false;
}

function dismiss() {
  byId("notice-text").textContent = "";
  byId("dismiss").hidden = true;
}

byId("dismiss").addEventListener("click", () => {
  dismiss();
  byId("main").focus();
});
byId("clear").addEventListener("click", () => lines.log.clear());

// Rights of this installation

const { auth } = configuration;
byId("token-field").hidden = !Object.values(auth).includes("jwt");
byId("session-hint").hidden = auth.session !== "iam";
byId("publish-hint").hidden = auth.broadcast !== "iam";
byId("publish-fields").disabled = auth.broadcast === "iam";
byId("address").textContent = new URL(".", document.baseURI).href;
enable();
if (configuration.listTenants && auth.session === "none") {
  listTenants();
}
