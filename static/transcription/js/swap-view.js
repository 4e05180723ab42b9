// @ts-check
/** A swap on a page of the admin site: fills what the server has rendered with what it says a second later. DOM only. */

/**
 * @typedef {{ name: string, status: string }} Stage
 * @typedef {{ at: string, time: string, worker: string, stage: string, detail: string }} Step
 * @typedef {{ state: string, tone: string, is_over: boolean, error: string, lasted: string, stages: Stage[], steps: Step[] }} Swap
 */

/** @param {Element} section @param {string} name */
const part = (section, name) => /** @type {HTMLElement | null} */ (section.querySelector(`[data-swap-${name}]`));

/** @param {Element} section @param {Swap} swap */
export function showSwap(section, swap) {
  const state = part(section, "state");
  if (state !== null) showState(state, swap);
  const lasted = part(section, "lasted");
  if (lasted !== null) lasted.textContent = swap.lasted;
  showError(part(section, "error"), swap.error);
  part(section, "stages")?.replaceChildren(...swap.stages.map(stageItem));
  part(section, "steps")?.replaceChildren(...swap.steps.map(stepRow));
}

/** Only when it changes, so that a screen reader does not say it each second. @param {HTMLElement} state @param {Swap} swap */
function showState(state, swap) {
  if (state.textContent === swap.state) return;
  state.textContent = swap.state;
  state.className = `hark-tag hark-${swap.tone}`;
}

/** @param {HTMLElement | null} element @param {string} error */
function showError(element, error) {
  if (element === null) return;
  element.textContent = error;
  element.hidden = error === "";
}

/** @param {Stage} stage */
function stageItem(stage) {
  const item = document.createElement("li");
  item.className = `hark-stage-${stage.status}`;
  item.textContent = stage.name;
  return item;
}

/** @param {Step} step */
function stepRow(step) {
  const row = document.createElement("tr");
  const time = document.createElement("time");
  time.dateTime = step.at;
  time.textContent = step.time;
  row.append(cell(time), cell(step.worker), cell(step.stage), cell(step.detail));
  return row;
}

/** @param {string | Node} content */
function cell(content) {
  const element = document.createElement("td");
  element.append(content);
  return element;
}
