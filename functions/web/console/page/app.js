/** The page: connects its inputs to the service, and shows the answers. */

import { Api, ApiError } from "./api.js";
import { ServerClock } from "./clock.js";
import { Connection, Refusal, STATES } from "./connection.js";
import { kindOf, textOf } from "./frames.js";
import { LatencyPlot } from "./latency.js";
import { Lines } from "./lines.js";

const REPORT_INTERVAL = 500;
const RENEWAL_RETRY = 10_000;

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
let room = null; //    { roomKey, nickName, isJoined }
let state = STATES.CLOSED;
let delivered = 0;
let renewal = null; // the timer that keeps the session

const connection = new Connection(
  async () => {
    try {
      return await openSession();
    } catch (error) {
      throw error instanceof ApiError && !error.isPassing ? new Refusal(error.message) : error;
    }
  },
  { onOpen, onFrame, onStatus },
);

// A page that is older than the cell to which it is sent has no permission to connect there.
document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => {
  if (effectiveDirective === "connect-src") {
    notify("This page is older than the server to which it is sent. Load it again.");
  }
});

// The connection

function onStatus({ state: now, delay, wasOpen, reason }) {
  state = now;
  const seconds = Math.ceil(delay / 1000);
  const text = {
    [STATES.CLOSED]: "Not connected",
    [STATES.CONNECTING]: "Connecting …",
    [STATES.OPEN]: "Connected",
    [STATES.WAITING]: `${wasOpen ? "Connection lost" : "Not let in: many come at once, or a limit is reached"}; again in ${seconds} s`,
    [STATES.REFUSED]: "Refused",
  }[now];
  const status = byId("status");
  status.dataset.state = now;
  status.textContent = text;
  if (reason) {
    session = null; // the server does not know it
    notify(reason.message);
  }
  if (room !== null && now !== STATES.OPEN) {
    room.isJoined = false;
  }
  enable();
}

function onOpen() {
  if (room !== null) {
    join();
  }
}

function onFrame(frame, text) {
  lines.log.add(["←", "received"], text);
  switch (kindOf(frame)) {
    case "broadcast":
      return showBroadcast(frame);
    case "message":
      return lines.conversation.add([textOf(frame.nickName), "name"], textOf(frame.content));
    case "join":
      return showJoin(frame);
    case "leave":
      return lines.conversation.add([`${textOf(frame.nickName)} left`, "event"]);
    case "direct":
      return lines.direct.add([`${textOf(frame.srcPlayerId)}:`, "name"], textOf(frame.message));
    case "stored":
      return lines.direct.add([`to ${textOf(frame.destinationPlayerId)}:`, "event"], textOf(frame.message), ["stored", "badge"]);
    case "echo":
      return lines.echo.add([textOf(frame.queue), "badge"], textOf(frame.message?.message ?? frame.message));
    case "throttled":
      return notify("Too many messages: this minute's limit is reached. Wait until the next minute, then send again.");
    case "error":
      return showError(frame.error);
  }
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

function showError(error) {
  if (error?.code === "SESSION_OVER" && session !== null) {
    notify("The session was over. It is being created again.");
    connection.open();
    return;
  }
  const actions = Array.isArray(error?.actions) ? ` Possible are: ${error.actions.join(", ")}.` : "";
  notify(`The message was refused: ${textOf(error?.message)} (${textOf(error?.code)}). Correct it, then send again.${actions}`);
}

function send(frame) {
  if (connection.send(frame)) {
    lines.log.add(["→", "sent"], JSON.stringify(frame));
    return true;
  }
  notify("There is no connection now. It comes back by itself; send again then.");
  return false;
}

// Sessions

forms.session.addEventListener("submit", (event) => {
  event.preventDefault();
  dismiss();
  if (isWanted()) {
    connection.close();
    return;
  }
  const { tenantId, playerId } = forms.session.elements;
  session ??= { tenantId: tenantId.value.trim(), sessionId: crypto.randomUUID(), playerId: playerId.value.trim() };
  connection.open();
});

byId("end").addEventListener("click", async () => {
  dismiss();
  const ended = session;
  connection.close();
  session = room = null;
  enable();
  byId("toggle").focus(); // a button that is off has no focus
  try {
    await api.endSession(ended);
  } catch (error) {
    notify(error.message);
  }
});

/** Create or refresh the session; its URL. Listening is no activity, so the session is refreshed at half its time. */
async function openSession(options) {
  const { url, lifetime } = await api.openSession(session, options);
  keepSession(Math.max(lifetime, 2_000) * (0.4 + 0.2 * Math.random()));
  return url;
}

function keepSession(delay) {
  clearTimeout(renewal);
  renewal = setTimeout(() => {
    if (session !== null && isWanted()) {
      openSession({ isConnected: state === STATES.OPEN }).catch(() => keepSession(RENEWAL_RETRY));
    }
  }, delay);
}

function isWanted() {
  return state !== STATES.CLOSED && state !== STATES.REFUSED;
}

/** Enable the controls that can be used now, and disable all others. */
function enable() {
  const isOpen = state === STATES.OPEN;
  byId("toggle").textContent = isWanted() ? "Disconnect" : session ? "Connect" : "Create session and connect";
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
  room = { roomKey: roomKey.value.trim(), nickName: nickName.value.trim(), isJoined: false };
  join();
});

function join() {
  send({ action: "joinroom", roomKey: room.roomKey, nickName: room.nickName });
}

onText(forms.say, "content", (content) => send({ action: "sendmessage", roomKey: room.roomKey, content }));

onText(forms.direct, "message", (message) => {
  const destinationPlayerId = forms.direct.elements.destinationPlayerId.value.trim();
  return send({ action: "sendmessage", playerId: session.playerId, destinationPlayerId, message });
});

onText(forms.echo, "message", (message, button) => send({ action: button.value, message }));

/** Let a form send the text of one of its fields; blank text stays where it is. */
function onText(form, name, act) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const field = form.elements[name];
    if (field.value.trim() !== "" && act(field.value, event.submitter)) {
      field.value = "";
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
      if (!error.isPassing) {
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

// A device that wakes up, or has a network again, may have lost its connection without an event.
addEventListener("online", () => connection.check());
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") {
    connection.check();
  }
});

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
