// @ts-check
/** The form of a window: shows the week that it would make, and what is wrong with it, while it is being filled in. */

import { showWeek } from "./week-view.js";

const WAIT_MS = 300;

/** @typedef {{ complaints: string[], week: import("./week-view.js").Week | null }} Answer */

/** @param {string} url @param {FormData} given @returns {Promise<Answer | null>} null: no answer; the form says it when it is saved */
async function check(url, given) {
  try {
    const response = await fetch(url, { method: "POST", body: given });
    return response.ok ? await response.json() : null;
  } catch (error) {
    if (error instanceof TypeError || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** @param {HTMLElement} section @param {Answer} answer */
function show(section, answer) {
  const sentences = answer.complaints.map((sentence) => {
    const item = document.createElement("li");
    item.textContent = sentence;
    return item;
  });
  section.querySelector("[data-complaints]")?.replaceChildren(...sentences);
  const hint = /** @type {HTMLElement | null} */ (section.querySelector("[data-hint]"));
  if (hint !== null) hint.hidden = answer.week !== null;
  const place = /** @type {HTMLElement | null} */ (section.querySelector("[data-week]"));
  if (place !== null) {
    showWeek(place, answer.week, { zone: place.dataset.zoneText ?? "", clash: place.dataset.clashText ?? "" });
  }
}

/** @param {HTMLElement} section @param {HTMLFormElement} form */
function wire(section, form) {
  let latest = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const ask = async () => {
    latest += 1;
    const number = latest;
    const given = new FormData(form);
    given.set("schedule", section.dataset.schedule ?? "");
    const answer = await check(section.dataset.checkUrl ?? "", given);
    if (answer !== null && number === latest) show(section, answer);
  };
  const askSoon = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT_MS);
  };
  form.addEventListener("input", askSoon);
  form.addEventListener("change", askSoon);
  if (form.elements.namedItem("route") !== null) askSoon();
}

const section = document.getElementById("schedule-preview");
const form = document.getElementById("modelschedule_form");
if (section !== null && form instanceof HTMLFormElement) wire(section, form);
