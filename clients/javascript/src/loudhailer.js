/** Loudhailer's client: channels, rooms and messages over a WebSocket that keeps itself up. README.md says how to use it. */

export { LoudhailerError, answerOf } from "./answers.js";
export { connect } from "./client.js";
