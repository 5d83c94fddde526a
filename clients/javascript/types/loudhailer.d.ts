/** Types of the client. README.md says how to use it. */

/** JSON, or what the option `parse` makes of it. */
export type Json = unknown;

/**
 * Codes of the service are in its README. Codes of this package: `NO_ANSWER` and `NOT_SENT` (in time), `TOO_MANY_PENDING` (100 wait),
 * `TOO_LONG` (a frame of more than 32 KB), `TOO_MANY_REQUESTS` (the limit of this minute), `CLOSED` (the client is closed),
 * `UNREACHABLE`, `UNAVAILABLE`, `UNAUTHORIZED`, `FORBIDDEN`, `NOT_FOUND`, `CONFLICT` (of HTTP), `MALFORMED_FRAME`,
 * `MALFORMED_ANSWER`, `HANDLER_FAILED` (with its `cause`), `NO_WEBSOCKET`.
 */
export class LoudhailerError extends Error {
  constructor(code: string, message: string, details?: ErrorDetails);
  readonly code: string;
  /** The channel that it is about. */
  readonly channel?: string;
  /** The service's id of the frame. */
  readonly requestId?: string;
  /** The HTTP status. */
  readonly status?: number;
  /** The field that is missing or illegal. */
  readonly field?: string;
  /** Seconds after which to try again. */
  readonly retryAfter?: number;
  /** The same request never succeeds. Thrown by `getSession`, it ends the client. */
  readonly fatal?: boolean;
}

export interface ErrorDetails {
  channel?: string;
  requestId?: string;
  status?: number;
  field?: string;
  retryAfter?: number;
  fatal?: boolean;
  cause?: unknown;
}

/** A session, as `createSession` of the server side returns it. */
export interface Session {
  tenantId: string;
  /** A secret: anyone who has it can enter the session. */
  sessionId: string;
  webSocketUrl: string;
  /** The base of `GET /channel/...`; without it nothing can be recovered. */
  httpUrl?: string;
  /** Seconds. The session is renewed at about half of them. */
  expiresIn?: number;
}

export interface SessionQuestion {
  /** The session that the client has had, to be used again; missing at first. */
  sessionId?: string;
  /** The client is connected, and only keeps its session alive. */
  renew: boolean;
}

/** Asks your backend for a session. An error that is `fatal` ends the client; `retryAfter` is waited for. */
export type GetSession = (question: SessionQuestion) => Promise<Session> | Session;

/** A subset of the browser's WebSocket, which the package ws has as well. */
export interface WebSocketConstructor {
  new (url: string): {
    onopen: unknown;
    onmessage: unknown;
    onclose: unknown;
    onerror: unknown;
    send(text: string): void;
    close(): void;
  };
}

/** Milliseconds. Two numbers are the bounds of a random time. */
export interface Times {
  keepAlive: [number, number];
  renewal: [number, number];
  overlap: number;
  longestOverlap: number;
  handshake: number;
  session: number;
  answer: number;
  request: number;
  gap: number;
  spread: number;
  shortestBackoff: number;
  longestBackoff: number;
  stable: number;
}

export interface Options extends Partial<Times> {
  /** Needed where the platform has no `globalThis.WebSocket`: in Node.js 20. */
  WebSocket?: WebSocketConstructor;
  fetch?: typeof fetch;
  /** Parses each frame in place of `JSON.parse`, which rounds integers beyond 2^53. */
  parse?: (text: string) => Json;
}

export type Status =
  | { state: "connecting" }
  | { state: "open" }
  /** The next attempt comes in `delay` milliseconds. `wasOpen`: a connection was lost. `error` is that of `getSession`. */
  | { state: "offline"; delay: number; wasOpen: boolean; error?: Error }
  /** With `error`, which `getSession` has thrown, if the application did not close the client. */
  | { state: "closed"; error?: Error };

export interface Broadcast {
  type: "broadcast";
  id: string;
  /** Epoch milliseconds. */
  publishedAt: number;
  data: Json;
}

export interface DirectMessage {
  messageId: string;
  message: Json;
  srcPlayerId: string;
  /** Epoch milliseconds. */
  sentAt: number;
}

export interface Echo {
  /** The frame that was sent: its `message` is the value. */
  message: Json;
  tenantId: string;
  sessionId: string;
  connectionId: string;
  queue: string;
  srcConnectionId: string;
  srcPlayerId?: string;
}

export interface Stored {
  messageId: string;
  clientMessageId: string;
}

export interface Message {
  type: "message";
  channel: string;
  id: string;
  publishedAt: number;
  /** The place in the channel's history, from 1 and without gaps within an `epoch`. */
  offset?: number;
  epoch?: string;
  /** Set if a client has published it. */
  from?: { connectionId: string; playerId?: string };
  data: Json;
}

export interface Member {
  connectionId: string;
  playerId?: string;
  nickName?: string;
}

export interface Presence {
  type: "presence";
  channel: string;
  count: number;
  /** Numbers in channels of more than 200 members. */
  joined: Member[] | number;
  left: Member[] | number;
}

/** Messages before this position, behind the last one that was handed on, are lost to this client. */
export interface Unrecovered {
  channel: string;
  epoch: string;
  offset: number;
}

export interface Published {
  channel: string;
  id: string;
  offset?: number;
  epoch?: string;
}

export interface Members {
  count: number;
  members: Member[];
  next?: string;
}

export interface RoomFrame {
  roomKey: string;
  nickName: string;
  connectionId: string;
  playerId?: string;
}

export interface RoomMessage extends RoomFrame {
  content: Json;
  sentAt: number;
  messageId?: string;
}

/** Events by name. A handler's own error, also that of a promise, is an `error` with the code `HANDLER_FAILED`. */
interface Emitter<Events> {
  /** Call the handler at each such event, until the function that is returned is called. */
  on<Name extends keyof Events>(event: Name, handler: (value: Events[Name]) => unknown): () => void;
}

export interface ChannelOptions {
  /** Hand messages on in order, and recover gaps; `messages` bounds how many may be recovered, 10,000 at most. */
  recover?: boolean | { messages: number };
  /** Begin with the last message, which comes at once. */
  since?: "last";
  /** The name that other members see. */
  nickname?: string;
}

export interface Channel
  extends Emitter<{
    message: Message;
    presence: Presence;
    unrecovered: Unrecovered;
    subscribed: { channel: string; epoch?: string; offset?: number };
    error: LoudhailerError;
  }> {
  readonly name: string;
  readonly options: ChannelOptions;
  publish(data: Json): Promise<Published>;
  /** A page of the members: `next` of one page is given for the next one. */
  members(page?: { limit?: number; next?: string }): Promise<Members>;
  /** Unsubscribe; no handler of this channel is called again. */
  leave(): void;
}

export interface Room
  extends Emitter<{ message: RoomMessage; joined: RoomFrame; left: RoomFrame; error: LoudhailerError }> {
  readonly key: string;
  readonly nickname: string;
  say(content: Json): Promise<Stored>;
}

export interface Client
  extends Emitter<{
    status: Status;
    broadcast: Broadcast;
    direct: DirectMessage;
    echo: Echo;
    /** Each frame, sent or received, but for pings: for a log, or for exact digits. */
    frame: { text: string; isSent: boolean };
    error: LoudhailerError;
  }> {
  /** The channel of that name, or with `news/*` all below a prefix; subscribed on each connection until it is left. */
  channel(name: string, options?: ChannelOptions): Channel;
  /** Enter a room, on each connection. A client is in one room: the former one is left. */
  room(key: string, nickname: string): Room;
  /** Send to a player. The promise is kept once the message is stored. */
  direct(playerId: string, message: Json): Promise<Stored>;
  /** Send through the tenant's own queue, to all connections of this session in order; false without a connection. */
  silo(message: Json): boolean;
  /** The same through the queue that tenants share. */
  pool(message: Json): boolean;
  /** Find out now whether the connection carries; while the client waits for its next attempt, make it now. */
  check(): void;
  /** Disconnect, and stay so. Requests that wait fail with `CLOSED`. */
  close(): void;
}

/** Connect, and stay connected until `close`. */
export function connect(getSession: GetSession, options?: Options): Client;

/** The JSON of a response of fetch, with the service's errors and `Retry-After` as LoudhailerError. */
export function answerOf<Answer = Json>(response: Response): Promise<Answer>;
