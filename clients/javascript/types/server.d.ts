/** Types of the side of your backend. */

import type { ErrorDetails, Json, Session } from "./loudhailer.js";

export type { ErrorDetails, Json, Session };

/** A request as `SignatureV4` of @smithy/signature-v4 takes it. */
export interface SignableRequest {
  method: string;
  protocol: string;
  hostname: string;
  port?: number;
  path: string;
  query: Record<string, string>;
  headers: Record<string, string>;
  body?: string;
}

export interface ServerOptions {
  /** The base of the HTTP API. */
  url: string;
  /** The bearer token of an API with `jwt`. */
  token?: string;
  /** For an API with `iam`: `new SignatureV4({ service: "execute-api", region, credentials, sha256 })`. */
  signer?: { sign(request: SignableRequest): Promise<{ headers: Record<string, string> }> };
  fetch?: typeof fetch;
  /** Milliseconds that a request may take: 30,000 by default. */
  timeout?: number;
}

export type Audience =
  | { all: true }
  | { tenantId: string }
  | { tenantId: string; roomKey: string }
  | { tenantId: string; playerId: string }
  | { tenantId: string; sessionId: string }
  | { tenantId: string; channel: string };

export interface Accepted {
  broadcastId: string;
  expected: number | null;
  estimatedSeconds: number | null;
  priority: "express" | "bulk";
  note?: string;
  offset?: number;
  epoch?: string;
}

export interface Report {
  status: "accepted" | "delivering" | "finished";
  expected: number | null;
  dispatched: number;
  delivered: number;
  gone: number;
  failed: number;
  inFlight: number;
  superseded?: number;
  publishedAt: number;
  finishedAt: number | null;
  cancelled: boolean;
  expired: boolean;
  byAccount: Record<string, number>;
  byCell?: Record<string, Report>;
  waitingFor?: string[];
  silent?: string[];
}

/** A message to an audience. `broadcastId` is made up if it is left out. */
export interface Broadcast {
  audience: Audience;
  message: Json;
  broadcastId?: string;
  priority?: "express" | "bulk";
  deadlineSeconds?: number;
  supersedes?: string;
}

/** The answer to one of several broadcasts. */
export type Result =
  | { status: 202; body: Accepted }
  | { status: 400 | 404 | 409 | 413 | 503; body: { error: { field: string; message: string } } };

/** The HTTP API of a deployment. Each method throws LoudhailerError. */
export class Server {
  constructor(options: ServerOptions);
  /** Open a session, or with `renew` refresh that of a client that is connected. `sessionId` is made up if it is left out. */
  createSession(session: {
    tenantId: string;
    playerId?: string;
    sessionId?: string;
    renew?: boolean;
    grants?: Record<string, "s" | "p" | "sp">;
  }): Promise<Required<Session>>;
  /** End a session, and close its connections. */
  endSession(session: { tenantId: string; sessionId: string; playerId?: string }): Promise<void>;
  /** Send JSON to an audience, once: a request without an answer is repeated with the same id. */
  publish(broadcast: Broadcast): Promise<Accepted>;
  /**
   * Send up to 100 broadcasts, each once. The results are in their order; a refused one does not stop the others. Those to
   * one channel are published in their order. One with the status 503 can be published again under the `broadcastId` that
   * was given for it.
   */
  publishAll(request: { broadcasts: Broadcast[] }): Promise<Result[]>;
  /** The report of a broadcast, as far as it is known by now. */
  report(broadcastId: string): Promise<Report>;
}
