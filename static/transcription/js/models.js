// @ts-check
/** The model choice: what the server offers, asked again until it is ready. Without an answer the choice stays automatic. */

/** @typedef {import("./view.js").Model} Model */

const RETRY_MS = 3000;

/** @param {string} url @returns {Promise<{ready: boolean, models: Model[]} | null>} null: the server has no such list */
async function fetchModels(url) {
  try {
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    return response.ok ? await response.json() : null;
  } catch (error) {
    if (error instanceof TypeError || error instanceof SyntaxError) return null;
    throw error;
  }
}

/**
 * @param {string} url
 * @param {import("./view.js").View} view
 * @param {import("./texts.js").Texts} texts
 */
export async function watchModels(url, view, texts) {
  const answer = await fetchModels(url);
  if (answer === null) return;
  view.showModels(answer.models);
  view.matchModels(answer.models);
  view.language.onchange = () => view.matchModels(answer.models);
  if (answer.ready) {
    view.hideNotice("not-ready");
    return;
  }
  view.showNotice("not-ready", "info", texts.get("notice_not_ready"));
  setTimeout(() => watchModels(url, view, texts), RETRY_MS);
}
