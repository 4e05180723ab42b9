// @ts-check
/**
 * The transcript as a value: server messages in, lines out. Pure; a line is replaced, never changed, so that the view can
 * compare by identity.
 */

/** @typedef {import("./protocol.js").ServerMessage} ServerMessage */

/**
 * @typedef {object} Line
 * @property {number} segment
 * @property {string} stable the part that will not change any more
 * @property {string} unstable the part that may
 * @property {boolean} isFinal
 * @property {number} startMs
 * @property {number} endMs
 */

/** @typedef {{lines: readonly Line[], closed: ReadonlySet<number>}} Transcript */

/** @type {Transcript} */
export const EMPTY_TRANSCRIPT = Object.freeze({ lines: Object.freeze([]), closed: new Set() });

/**
 * @param {Transcript} transcript
 * @param {ServerMessage} message
 * @returns {Transcript} the same object when nothing changed
 */
export function applyMessage(transcript, message) {
  // A final never changes, and partials of a segment stop at it: whatever comes later for it is too late.
  if (!("segment" in message) || transcript.closed.has(message.segment)) return transcript;
  if (message.type === "partial") return withLine(transcript, message.segment, partialLine(message));
  if (message.type !== "final") return transcript;
  const closed = new Set(transcript.closed).add(message.segment);
  return withLine({ ...transcript, closed }, message.segment, message.text === "" ? null : finalLine(message));
}

/** The stream ended: what never became final is taken back. @param {Transcript} transcript @returns {Transcript} */
export function dropUnfinished(transcript) {
  const lines = transcript.lines.filter((line) => line.isFinal);
  return lines.length === transcript.lines.length ? transcript : { ...transcript, lines };
}

/** @param {Transcript} transcript @returns {string} the text of all final lines, one a line */
export function plainText(transcript) {
  return transcript.lines
    .filter((line) => line.isFinal)
    .map((line) => line.stable)
    .join("\n");
}

/**
 * @param {Transcript} transcript
 * @param {number} segment
 * @param {Line | null} line null takes the segment back
 * @returns {Transcript}
 */
function withLine(transcript, segment, line) {
  const others = transcript.lines.filter((other) => other.segment !== segment);
  if (line === null) return { ...transcript, lines: others };
  const before = others.filter((other) => other.segment < segment);
  return { ...transcript, lines: [...before, line, ...others.slice(before.length)] };
}

/** @param {import("./protocol.js").Partial} message @returns {Line} */
function partialLine(message) {
  // `stable` is promised to be a prefix; if a server breaks the promise, the text still shows once and whole.
  const stable = message.text.startsWith(message.stable) ? message.stable : "";
  return {
    segment: message.segment,
    stable,
    unstable: message.text.slice(stable.length),
    isFinal: false,
    startMs: message.start_ms,
    endMs: message.end_ms,
  };
}

/** @param {import("./protocol.js").Final} message @returns {Line} */
function finalLine(message) {
  return {
    segment: message.segment,
    stable: message.text,
    unstable: "",
    isFinal: true,
    startMs: message.start_ms,
    endMs: message.end_ms,
  };
}

/** @param {number} ms @returns {string} 1:02:03 or 2:03 */
export function formatClock(ms) {
  const totalS = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes, seconds] = [Math.floor(totalS / 3600), Math.floor(totalS / 60) % 60, totalS % 60];
  const tail = String(seconds).padStart(2, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}
