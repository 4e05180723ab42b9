// @ts-check
/**
 * Messages of the native WebSocket protocol: names, close codes, JSON in both directions. Mirrors
 * transcription/protocol.py; a test compares the two.
 */

export const CLIENT_MESSAGES = Object.freeze(["start", "resume", "configure", "finalize", "ping", "end"]);

export const SERVER_MESSAGES = Object.freeze([
  "ready",
  "resumed",
  "ack",
  "nack",
  "speech_started",
  "speech_ended",
  "partial",
  "final",
  "pong",
  "lag",
  "model_changed",
  "gap",
  "going_away",
  "warning",
  "error",
  "done",
]);

export const CLOSE_CODES = Object.freeze({
  DONE: 1000,
  DRAINING: 1001,
  POLICY: 1008,
  INTERNAL: 1011,
  FULL: 1013,
  BAD_REQUEST: 4400,
  NOT_AUTHENTICATED: 4401,
  FORBIDDEN: 4403,
  UNKNOWN_SESSION: 4404,
  IDLE: 4408,
});

/**
 * @typedef {{type: "ready", session: string, resume_token: string | null, model: string, language: string,
 *   sample_rate: number, window_ms: number, heartbeat_s: number}} Ready
 * @typedef {{type: "resumed", session: string, offset: number, model: string, language: string, sample_rate: number,
 *   window_ms: number, credit_ms: number, heartbeat_s: number}} Resumed
 * @typedef {{type: "ack", received: number, settled: number, credit_ms: number}} Ack
 * @typedef {{type: "nack", from: number, to: number}} Nack
 * @typedef {{type: "partial", segment: number, text: string, stable: string, start_ms: number, end_ms: number,
 *   model: string}} Partial
 * @typedef {{text: string, start_ms: number, end_ms: number, confidence: number}} Word
 * @typedef {{type: "final", segment: number, text: string, start_ms: number, end_ms: number, language: string,
 *   confidence: number, model: string, words: Word[], from_finalize: boolean, revised: boolean}} Final
 * @typedef {{type: "gap", from_ms: number, to_ms: number, reason: string}} Gap
 * @typedef {{type: "lag", behind_ms: number}} Lag
 * @typedef {{type: "model_changed", model: string, from_segment: number}} ModelChanged
 * @typedef {{type: "going_away", reason: string, resume_within_s: number | null, closes_in_s: number}} GoingAway
 * @typedef {{type: "warning", code: string, message: string, retryable: boolean}} Warning
 * @typedef {{type: "error", code: string, message: string, retryable: boolean, retry_after_s: number | null}} SessionError
 * @typedef {{type: "done", session: string, received_ms: number, transcribed_ms: number, silence_ms: number,
 *   gap_ms: number, num_segments: number, complete: boolean}} Done
 * @typedef {{type: "speech_started" | "speech_ended", at_ms: number}} Speech
 * @typedef {{type: "pong", id: string | number | null}} Pong
 * @typedef {Ready | Resumed | Ack | Nack | Partial | Final | Gap | Lag | ModelChanged | GoingAway | Warning | SessionError | Done
 *   | Speech | Pong} ServerMessage
 */

/** What came is not a message of this protocol. */
export class ProtocolError extends Error {}

/**
 * @param {string} type one of CLIENT_MESSAGES
 * @param {Record<string, unknown>} [fields]
 * @returns {string}
 */
export function encodeMessage(type, fields = {}) {
  if (!CLIENT_MESSAGES.includes(type)) throw new ProtocolError(`No client message is called ${type}.`);
  return JSON.stringify({ type, ...fields });
}

/**
 * @param {unknown} text what the socket delivered
 * @returns {ServerMessage | null} null for a message of a newer server that this page does not know
 */
export function decodeMessage(text) {
  if (typeof text !== "string") throw new ProtocolError("The server sent binary data; only text was expected.");
  const message = parseObject(text);
  return SERVER_MESSAGES.includes(message.type) ? /** @type {ServerMessage} */ (message) : null;
}

/** @param {string} text @returns {Record<string, any>} */
function parseObject(text) {
  let message;
  try {
    message = JSON.parse(text);
  } catch (error) {
    throw new ProtocolError("The server sent text that is not JSON.", { cause: error });
  }
  if (typeof message?.type !== "string") throw new ProtocolError("The server sent a message without a type.");
  return message;
}
