// @ts-check
/**
 * The model choice: models and scenarios that the server offers, asked again until it is ready. Without an answer the choice stays
 * automatic.
 */

/** @typedef {import("./view.js").Model} Model */
/** @typedef {{ready: boolean, models: Model[]}} Models */
/** @typedef {{routes: {scenario: string}[]}} Routes */

const RETRY_MS = 3000;
/** Whoever names no scenario has this one. */
const GENERAL = "general";

/** @param {string} url @returns {Promise<any>} null: the server has no such list */
async function fetchList(url) {
  try {
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    return response.ok ? await response.json() : null;
  } catch (error) {
    if (error instanceof TypeError || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** @param {Routes | null} answer @returns {string[]} */
function scenariosIn(answer) {
  const names = (answer?.routes ?? []).map((route) => route.scenario);
  return [...new Set(names)].filter((name) => name !== GENERAL);
}

/**
 * @param {{models_url: string, routes_url: string}} config
 * @param {import("./view.js").View} view
 * @param {import("./texts.js").Texts} texts
 */
export async function watchModels(config, view, texts) {
  /** @type {[Models | null, Routes | null]} */
  const [answer, routes] = await Promise.all([fetchList(config.models_url), fetchList(config.routes_url)]);
  if (answer === null) return;
  view.showModels(answer.models, scenariosIn(routes));
  view.matchModels(answer.models);
  view.language.onchange = () => view.matchModels(answer.models);
  if (answer.ready) {
    view.hideNotice("not-ready");
    return;
  }
  view.showNotice("not-ready", "info", texts.get("notice_not_ready"));
  setTimeout(() => watchModels(config, view, texts), RETRY_MS);
}
