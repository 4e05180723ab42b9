// @ts-check
/** Wires the live page: buttons and files in, recording and transcript out. */

import { AudioFile } from "./audio-file.js";
import { wireCopyButton } from "./clipboard.js";
import { wireFileDrop } from "./file-drop.js";
import { Microphone, SourceError } from "./microphone.js";
import { watchModels } from "./models.js";
import { Recording } from "./recording.js";
import { rememberChoice } from "./remember.js";
import { readJson, Texts } from "./texts.js";
import { applyMessage, dropUnfinished, EMPTY_TRANSCRIPT, formatClock, plainText } from "./transcript-state.js";
import { TranscriptView } from "./transcript-view.js";
import { byId, View } from "./view.js";

/** @typedef {import("./protocol.js").ServerMessage} ServerMessage */
/** @typedef {import("./view.js").SourceKind} SourceKind */

const LAG_SHOWN_MS = 2000;
/** Shorter absences only change the status line: a sentence that comes and goes would move the transcript up and down. */
const NOTICE_AFTER_MS = 1000;
/** The server tells of a lag again and again while it lasts. */
const LAG_FORGOTTEN_MS = 5000;

class LivePage {
  constructor() {
    this.config = readJson("config");
    this.texts = new Texts(readJson("texts"));
    this.view = new View(this.texts);
    this.transcriptView = new TranscriptView({
      list: byId("lines"),
      paper: byId("paper"),
      empty: byId("empty"),
      spoken: byId("spoken"),
    });
    this.transcript = EMPTY_TRANSCRIPT;
    /** @type {Recording | null} */
    this.recording = null;
    /** @type {SourceKind} */
    this.kind = "microphone";
    this.sessionId = "";
    this.serving = "";
    this.droppedMs = 0;
  }

  wire() {
    this.view.record.addEventListener("click", () => this.#pressed());
    wireFileDrop({ input: byId("file"), veil: byId("drop-veil"), onFile: (file) => this.#playFile(file) });
    const warn = (/** @type {string} */ sentence) => this.view.showNotice("copy", "warning", sentence);
    wireCopyButton(this.view.copy, () => plainText(this.transcript), this.texts, warn);
    rememberChoice(this.view.language, `hark-language-${document.documentElement.lang}`);
    watchModels(this.config, this.view, this.texts);
    for (const event of ["offline", "online"]) {
      window.addEventListener(event, () => this.recording?.client.networkChanged());
    }
  }

  #pressed() {
    if (this.recording !== null) {
      this.#stop();
      return;
    }
    this.#begin("microphone", (handlers) => new Microphone(this.config.worklet_url, handlers), { source: "microphone" });
  }

  /** @param {File} file */
  #playFile(file) {
    if (this.recording !== null) return;
    this.view.showFileName(file.name);
    const pacing = {
      onProgress: (/** @type {number} */ playedS, /** @type {number} */ totalS) => this.view.showProgress(playedS, totalS),
      onEnd: () => this.#stop(),
      isBackedUp: () => this.recording?.isBackedUp ?? false,
    };
    const makeSource = (/** @type {import("./microphone.js").SourceHandlers} */ handlers) =>
      new AudioFile(file, { ...handlers, ...pacing });
    this.#begin("file", makeSource, { source: "file", file: file.name.slice(0, 200) });
  }

  /**
   * @param {SourceKind} kind
   * @param {import("./recording.js").RecordingOptions["makeSource"]} makeSource
   * @param {Record<string, string>} metadata kept with the session
   */
  async #begin(kind, makeSource, metadata) {
    this.#clear(kind);
    const recording = new Recording({ url: this.#streamUrl(), makeSource, handlers: this.#handlers() });
    this.recording = recording;
    try {
      await recording.start(this.#startFields(metadata));
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      if (this.recording === recording) this.#failed({ reason: error.reason, message: "" });
    }
  }

  /** @param {SourceKind} kind */
  #clear(kind) {
    this.kind = kind;
    this.sessionId = "";
    this.droppedMs = 0;
    this.transcript = EMPTY_TRANSCRIPT;
    this.transcriptView.clear();
    this.view.clearNotices();
    this.view.hideSummary();
    this.view.disableDownloads();
    this.view.copy.disabled = true;
    this.view.clock.hidden = true;
    this.view.showServing("");
    this.view.showStage({ stage: "asking", kind });
  }

  #stop() {
    const { recording } = this;
    if (recording === null) return;
    if (recording.isStopped && recording.client.state === "reconnecting") {
      recording.client.fail("gave_up");
      return;
    }
    recording.stop();
    if (recording.client.state === "reconnecting") this.#showAbsence(recording);
    // Nothing was opened yet: there is no stream whose end we could wait for.
    if (recording.client.state !== "idle") return;
    this.recording = null;
    this.view.showStage({ stage: "idle", kind: this.kind });
  }

  #streamUrl() {
    const url = new URL(this.config.stream_path, window.location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    return url.href;
  }

  /** @param {Record<string, string>} metadata */
  #startFields(metadata) {
    return { language: this.view.language.value, metadata, ...this.view.wish };
  }

  /** @returns {import("./recording.js").RecordingHandlers} */
  #handlers() {
    return {
      onState: (state, failure) => this.#stateChanged(state, failure),
      onMessage: (message) => this.#received(message),
      onSlow: (isSlow) => this.#toggleNotice("slow", isSlow, this.texts.get("notice_slow")),
      onDropped: (fromMs, toMs) => this.#dropped(toMs - fromMs),
      onLevel: (level, health) => this.#heard(level, health),
    };
  }

  /** @type {import("./recording.js").RecordingHandlers["onState"]} */
  #stateChanged(state, failure) {
    if (state === "failed") this.#failed(failure ?? { reason: "unknown", message: "" });
    else if (state === "idle") this.#ended("done");
    else if (state === "reconnecting" && this.recording !== null) this.#showAbsence(this.recording);
    else {
      this.#hideAbsence();
      this.view.showStage({ stage: state, kind: this.kind });
    }
  }

  /** The connection is away. @param {Recording} recording */
  #showAbsence({ isStopped }) {
    const texts = { microphone: "notice_reconnecting", file: "notice_reconnecting_file" };
    const text = this.texts.get(isStopped ? "notice_reconnecting_end" : texts[this.kind]);
    clearTimeout(this.absenceTimer);
    this.absenceTimer = setTimeout(() => this.view.showNotice("reconnecting", "warning", text), isStopped ? 0 : NOTICE_AFTER_MS);
    this.view.showStage({ stage: "reconnecting", kind: this.kind, isStopped });
  }

  #hideAbsence() {
    clearTimeout(this.absenceTimer);
    this.view.hideNotice("reconnecting");
  }

  /** @param {number} ms */
  #dropped(ms) {
    this.droppedMs += ms;
    const seconds = Math.ceil(this.droppedMs / 1000);
    this.view.showNotice("dropped", "warning", this.texts.get("notice_dropped", { seconds }));
  }

  /** @param {import("./stream-client.js").Failure} failure */
  #failed({ reason, message }) {
    const key = this.texts.has(`fail_${reason}`) ? `fail_${reason}` : "fail_unknown";
    const sentence = key === "fail_unknown" && message !== "" ? message : this.texts.get(key, { reason });
    this.view.showNotice("failure", "error", sentence);
    this.#ended("failed");
  }

  /** @param {"done" | "failed"} stage */
  #ended(stage) {
    this.recording = null;
    this.#hideAbsence();
    for (const key of ["silence", "slow", "lag"]) this.view.hideNotice(key);
    this.view.showStage({ stage, kind: this.kind });
    if (this.sessionId === "") return;
    this.view.enableDownloads((format) => this.#downloadUrl(format));
    this.view.showHistoryLink(this.config.history_url.replace("{id}", this.sessionId));
  }

  /** @param {string} format */
  #downloadUrl(format) {
    return `${this.config.transcript_url.replace("{id}", this.sessionId)}?format=${format}&download=1`;
  }

  /** @param {ServerMessage} message */
  #received(message) {
    switch (message.type) {
      case "ready":
        this.#sessionBegan(message.session);
        this.#serves(message.model);
        break;
      case "resumed":
      case "model_changed":
        this.#serves(message.model);
        break;
      case "partial":
        this.view.showServing(this.serving, message.model);
        this.#draw(applyMessage(this.transcript, message));
        break;
      case "final":
        this.#draw(applyMessage(this.transcript, message));
        break;
      case "gap":
        this.transcriptView.remark(this.#gapText(message));
        break;
      case "lag":
        this.#showLag(message.behind_ms);
        break;
      case "warning":
        this.view.showNotice(`warning-${message.code}`, "warning", message.message);
        break;
      case "done":
        this.#summarise(message);
        break;
      default:
    }
  }

  /** @param {string} model the one that writes finals */
  #serves(model) {
    this.serving = model;
    this.view.showServing(model);
  }

  /** @param {string} session */
  #sessionBegan(session) {
    if (this.sessionId !== "") this.view.showNotice("continued", "info", this.texts.get("notice_continued"));
    this.sessionId = session;
  }

  /** @param {import("./transcript-state.js").Transcript} transcript */
  #draw(transcript) {
    this.transcript = transcript;
    this.transcriptView.draw(transcript);
    this.view.copy.disabled = plainText(transcript) === "";
  }

  /** @param {import("./protocol.js").Gap} gap */
  #gapText(gap) {
    return this.texts.get("notice_gap", { from: formatClock(gap.from_ms), to: formatClock(gap.to_ms) });
  }

  /** @param {number} behindMs */
  #showLag(behindMs) {
    const text = this.texts.get("notice_lag", { seconds: (behindMs / 1000).toFixed(1) });
    clearTimeout(this.lagTimer);
    this.lagTimer = setTimeout(() => this.view.hideNotice("lag"), LAG_FORGOTTEN_MS);
    this.#toggleNotice("lag", behindMs >= LAG_SHOWN_MS, text);
  }

  /** @param {import("./protocol.js").Done} done */
  #summarise(done) {
    this.#draw(dropUnfinished(this.transcript));
    const durationMs = done.received_ms + (this.recording?.client.earlierMs ?? 0);
    const values = { duration: formatClock(durationMs), segments: this.transcript.lines.length };
    this.view.showSummary(this.texts.get("summary_saved", values));
    if (done.complete) return;
    const text = this.texts.get("summary_incomplete", { gap: formatClock(done.gap_ms) });
    this.view.showNotice("incomplete", "warning", text);
  }

  /** @type {import("./recording.js").RecordingHandlers["onLevel"]} */
  #heard(level, health) {
    this.view.showLevel(level);
    if (this.kind !== "microphone" || this.recording === null) return;
    this.view.showClock(this.recording.sentMs);
    const key = health === "quiet" ? "notice_quiet" : "notice_silent";
    this.#toggleNotice("silence", health !== "ok", this.texts.get(key));
  }

  /** @param {string} key @param {boolean} isShown @param {string} text */
  #toggleNotice(key, isShown, text) {
    if (isShown) this.view.showNotice(key, "warning", text);
    else this.view.hideNotice(key);
  }
}

new LivePage().wire();
