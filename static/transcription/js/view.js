// @ts-check
/** The live page's DOM around the transcript: button, meter, notices, choices. It shows and reports, and decides nothing. */

import { meterPosition } from "./pcm.js";
import { formatClock } from "./transcript-state.js";

/** @typedef {import("./texts.js").Texts} Texts */
/** @typedef {"idle" | "asking" | "live" | "reconnecting" | "draining" | "failed" | "done"} Stage */
/** @typedef {"microphone" | "file"} SourceKind */
/** @typedef {{stage: Stage, kind: SourceKind, isStopped?: boolean}} Showing `isStopped`: all was said, only the text is missing */
/** @typedef {{name: string, engine: string, languages: string[], multilingual: boolean}} Model */

/** Before the name of a scenario in the choice; no model has a colon in its name. */
const SCENARIO = "scenario:";

/** @param {string} id @returns {any} any: the element's class is that of the template */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`The page has no #${id}.`);
  return element;
}

/** @type {ReadonlySet<Stage>} */
const BUSY = new Set(["asking", "live", "reconnecting", "draining"]);

/** @param {Showing} showing @param {Texts} texts */
function statusText({ stage, kind }, texts) {
  if (stage === "asking" && kind === "microphone") return texts.get("state_asking_microphone");
  if (stage === "live" && kind === "file") return texts.get("state_live_file");
  return texts.get(`state_${stage}`);
}

/** @param {Showing} showing */
function buttonText({ stage, isStopped }) {
  if (stage === "asking") return "button_cancel";
  if (stage === "reconnecting" && isStopped) return "button_give_up";
  return BUSY.has(stage) ? "button_stop" : "button_start";
}

export class View {
  /** @param {Texts} texts */
  constructor(texts) {
    this.texts = texts;
    this.stage = byId("stage");
    this.record = byId("record");
    this.status = byId("status");
    this.clock = byId("clock");
    this.meter = byId("meter");
    this.notices = byId("notices");
    this.copy = byId("copy");
    this.language = byId("language");
    this.model = byId("model");
    this.downloads = /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll("[data-format]"));
  }

  /** @param {Showing} showing */
  showStage(showing) {
    const { stage, kind } = showing;
    this.stage.dataset.state = stage;
    this.stage.dataset.kind = kind;
    this.status.textContent = statusText(showing, this.texts);
    byId("record-label").textContent = this.texts.get(buttonText(showing));
    // Not `disabled`, which would take the focus away from those who press it by key.
    this.record.setAttribute("aria-disabled", String(stage === "draining"));
    const isBusy = BUSY.has(stage);
    for (const choice of [this.language, this.model, byId("file")]) choice.disabled = isBusy;
    byId("playing").hidden = !(isBusy && kind === "file");
    if (!isBusy) this.showLevel({ rms: 0, peak: 0 });
  }

  /** @param {number} ms */
  showClock(ms) {
    this.clock.hidden = false;
    this.clock.textContent = formatClock(ms);
  }

  /** @param {{rms: number, peak: number}} level */
  showLevel({ rms, peak }) {
    const position = meterPosition(Math.max(rms * Math.SQRT2, peak / 2));
    this.stage.style.setProperty("--level", position.toFixed(3));
    this.meter.setAttribute("aria-valuenow", String(Math.round(position * 100)));
  }

  /** @param {string} name */
  showFileName(name) {
    byId("playing-name").textContent = name;
    byId("progress").value = 0;
  }

  /** @param {number} playedS @param {number} totalS */
  showProgress(playedS, totalS) {
    byId("progress").value = playedS / totalS;
    this.clock.textContent = `${formatClock(playedS * 1000)} / ${formatClock(totalS * 1000)}`;
    this.clock.hidden = false;
  }

  /**
   * A sentence above the transcript; one with the same key is replaced.
   *
   * @param {string} key
   * @param {"error" | "warning" | "info"} kind
   * @param {string} text
   */
  showNotice(key, kind, text) {
    const shown = this.#notice(key);
    if (shown?.dataset.kind === kind && shown.firstElementChild?.textContent === text) return;
    const notice = document.createElement("div");
    notice.className = `notice notice-${kind}`;
    notice.dataset.key = key;
    notice.dataset.kind = kind;
    notice.setAttribute("role", kind === "error" ? "alert" : "status");
    const sentence = document.createElement("p");
    sentence.textContent = text;
    notice.append(sentence, this.#dismissButton(notice));
    if (shown) shown.replaceWith(notice);
    else this.notices.append(notice);
  }

  /** @param {string} key */
  hideNotice(key) {
    this.#notice(key)?.remove();
  }

  clearNotices() {
    this.notices.replaceChildren();
  }

  /** @param {string} key @returns {HTMLElement | undefined} */
  #notice(key) {
    return [...this.notices.children].find((notice) => notice.dataset.key === key);
  }

  /** @param {HTMLElement} notice */
  #dismissButton(notice) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "dismiss";
    button.setAttribute("aria-label", this.texts.get("button_dismiss"));
    button.textContent = "×";
    button.addEventListener("click", () => notice.remove());
    return button;
  }

  /** @param {Model[]} models @param {string[]} scenarios */
  showModels(models, scenarios) {
    const chosen = this.model.value;
    const named = scenarios.map((scenario) => new Option(this.texts.get("model_scenario", { scenario }), SCENARIO + scenario));
    const options = [...named, ...models.map(({ name }) => new Option(name, name))];
    this.model.replaceChildren(new Option(this.texts.get("model_automatic"), ""), ...options);
    this.model.value = options.some((option) => option.value === chosen) ? chosen : "";
  }

  /** What was chosen, as fields of `start`. @returns {{model?: string, scenario?: string}} */
  get wish() {
    const { value } = this.model;
    if (value === "") return {};
    return value.startsWith(SCENARIO) ? { scenario: value.slice(SCENARIO.length) } : { model: value };
  }

  /** Only what can be chosen together stays choosable. @param {Model[]} models */
  matchModels(models) {
    for (const option of [...this.model.options].slice(1)) {
      const model = models.find(({ name }) => name === option.value);
      option.disabled = model !== undefined && !understands(model, this.language.value);
      if (option.disabled && option.selected) this.model.value = "";
    }
  }

  /**
   * The models that recognise, whatever was chosen.
   * @param {string} name writes finals; empty: none yet
   * @param {string} partials writes the text that may change; empty: nobody knows yet
   */
  showServing(name, partials = "") {
    const serving = byId("serving");
    const key = partials === "" || partials === name ? "model_serving" : "models_serving";
    const text = name === "" ? "" : this.texts.get(key, { model: name, partials });
    serving.hidden = name === "";
    if (serving.textContent !== text) serving.textContent = text;
  }

  /** @param {(format: string) => string} urlOf address of the transcript in a format */
  enableDownloads(urlOf) {
    for (const link of this.downloads) {
      link.href = urlOf(link.dataset.format ?? "");
      link.removeAttribute("aria-disabled");
    }
  }

  disableDownloads() {
    for (const link of this.downloads) {
      link.removeAttribute("href");
      link.setAttribute("aria-disabled", "true");
    }
  }

  /** @param {string} text */
  showSummary(text) {
    byId("summary-text").textContent = text;
  }

  /** @param {string} href */
  showHistoryLink(href) {
    byId("summary-link").href = href;
    byId("summary").hidden = false;
  }

  hideSummary() {
    byId("summary-text").textContent = "";
    byId("summary").hidden = true;
  }
}

/** @param {Model} model @param {string} language */
function understands(model, language) {
  if (language === "auto") return model.multilingual;
  return model.languages.length === 0 || model.languages.includes(language);
}
