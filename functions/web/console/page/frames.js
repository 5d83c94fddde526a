/** The kind of a frame from the service, by its shape. */

const KINDS = new Map([
  ["sendmessage", "message"],
  ["joinroom", "join"],
  ["leaveroom", "leave"],
]);

export function kindOf(frame) {
  if (frame === null || typeof frame !== "object" || Array.isArray(frame)) {
    return "other";
  }
  if (frame.type === "broadcast") {
    return "broadcast";
  }
  if ("error" in frame) {
    return "error";
  }
  if ("queue" in frame) {
    return "echo";
  }
  if ("messageId" in frame && !KINDS.has(frame.action)) {
    return "status" in frame ? "stored" : "direct";
  }
  if (frame.message === "Too Many Requests" && "requestId" in frame) {
    return "throttled";
  }
  return KINDS.get(frame.action) ?? "other";
}

/** A value of a frame as a person reads it: a text as it is, anything else as JSON. */
export function textOf(value) {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}
