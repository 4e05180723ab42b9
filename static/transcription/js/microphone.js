// @ts-check
/** The microphone as a source of blocks at the device's own rate. Every way it can refuse has a reason code. */

export class SourceError extends Error {
  /** @param {string} reason name of a sentence in the catalogue @param {unknown} [cause] */
  constructor(reason, cause) {
    super(reason, { cause });
    this.reason = reason;
  }
}

/** @type {Record<string, string>} */
const REASON_OF_DOM_ERROR = {
  NotAllowedError: "no_permission",
  SecurityError: "no_permission",
  NotFoundError: "no_device",
  OverconstrainedError: "no_device",
  NotReadableError: "device_busy",
  AbortError: "device_busy",
};

/** Why this browser cannot record, or null. @returns {string | null} */
export function findObstacle() {
  if (!window.isSecureContext || navigator.mediaDevices?.getUserMedia === undefined) return "insecure_origin";
  if (typeof AudioWorkletNode === "undefined" || typeof WebSocket === "undefined") return "unsupported_browser";
  return null;
}

/**
 * @typedef {object} SourceHandlers
 * @property {(block: Float32Array) => void} onBlock mono; valid only during the call
 * @property {(reason: string) => void} onLost the source broke off by itself
 */

export class Microphone {
  /** @param {string} workletUrl @param {SourceHandlers} handlers */
  constructor(workletUrl, handlers) {
    this.workletUrl = workletUrl;
    this.handlers = handlers;
  }

  get sampleRateHz() {
    return this.context?.sampleRate ?? 0;
  }

  /** Asks for the microphone and readies the audio graph; no block comes before `start`. */
  async open() {
    const obstacle = findObstacle();
    if (obstacle !== null) throw new SourceError(obstacle);
    this.stream = await this.#ask();
    try {
      await this.#build(this.stream);
    } catch (error) {
      await this.close();
      throw error instanceof DOMException ? new SourceError("device_busy", error) : error;
    }
  }

  start() {
    this.source?.connect(/** @type {AudioWorkletNode} */ (this.node));
  }

  /** Hands over what the audio thread still holds, then lets the device go. */
  async stop() {
    const { node } = this;
    if (node === undefined || this.context?.state !== "running") return this.close();
    const stopped = new Promise((resolve) => {
      this.onStopped = () => resolve(undefined);
    });
    node.port.postMessage("stop");
    await stopped;
    return this.close();
  }

  async close() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    if (this.node !== undefined) this.node.port.onmessage = null;
    if (this.context !== undefined && this.context.state !== "closed") await this.context.close();
  }

  async #ask() {
    const wishes = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: true };
    try {
      return await navigator.mediaDevices.getUserMedia({ audio: wishes });
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      throw new SourceError(REASON_OF_DOM_ERROR[error.name] ?? "device_busy", error);
    }
  }

  /** @param {MediaStream} stream */
  async #build(stream) {
    this.context = new AudioContext();
    await this.context.resume();
    await this.context.audioWorklet.addModule(this.workletUrl);
    this.node = new AudioWorkletNode(this.context, "capture", { numberOfOutputs: 0 });
    this.node.port.onmessage = (event) => this.#receive(event.data);
    this.source = this.context.createMediaStreamSource(stream);
    stream.getAudioTracks()[0].onended = () => this.handlers.onLost("device_removed");
    this.context.onstatechange = () => this.#checkContext();
  }

  /** A phone call or another app can take the audio away; nothing would arrive any more, and nobody would say so. */
  #checkContext() {
    const state = this.context?.state;
    if (state !== "running" && state !== "closed") this.handlers.onLost("interrupted");
  }

  /** @param {{block: Float32Array, numSamples: number} | {stopped: true}} message */
  #receive(message) {
    if ("stopped" in message) {
      this.onStopped?.();
      return;
    }
    const { block, numSamples } = message;
    if (numSamples > 0) this.handlers.onBlock(block.subarray(0, numSamples));
    this.node?.port.postMessage(block, [block.buffer]);
  }
}
