// @ts-check
/** Live sessions of all web processes, and the orders that may be given to them. */

import { config, follow, part, texts } from "./page.js";
import { SessionsView } from "./sessions-view.js";

const view = new SessionsView(part("[data-sessions]"), texts, config, give);

/** @param {{ num_listed: number, sessions: import("./sessions-view.js").Session[] | null }} live */
function show(live) {
  if (live.sessions === null) return;
  view.show(live.sessions);
  const [shown, total] = [live.sessions.length, live.num_listed];
  part("[data-count]").textContent = texts.get(shown < total ? "sessions_shown" : "sessions_all", { shown, total });
  part("[data-empty]").hidden = shown > 0;
  part("[data-sessions]").hidden = shown === 0;
}

/** @param {string} order @param {import("./sessions-view.js").Session} session */
async function give(order, session) {
  if (order === "end" && !window.confirm(texts.get("order_end_sure", { who: view.who(session) }))) return;
  const sentence = await sent(`${config.orders}${session.id}/${order}/`);
  if (sentence) window.alert(sentence);
}

/** @param {string} url @returns {Promise<string>} empty: it was taken */
async function sent(url) {
  const token = /** @type {HTMLInputElement} */ (part("[name=csrfmiddlewaretoken]")).value;
  try {
    const response = await fetch(url, { method: "POST", headers: { "X-CSRFToken": token, Accept: "application/json" } });
    return response.ok ? "" : (await response.json()).message || texts.get("order_failed");
  } catch (error) {
    if (error instanceof TypeError || error instanceof SyntaxError) return texts.get("order_failed");
    throw error;
  }
}

follow({ topics: ["sessions"] }, { live: show });
