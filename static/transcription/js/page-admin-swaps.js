// @ts-check
/** Pages of the admin site that show running swaps: asks the server for each of them once a second until it is over. */

import { showSwap } from "./swap-view.js";

const ASK_EVERY_MS = 1000;

/** @param {HTMLElement} section */
async function follow(section) {
  const url = section.dataset.swapUrl;
  if (!url) return;
  const swap = await ask(url);
  if (swap !== null) showSwap(section, swap);
  if (swap?.is_over) reloadIfWanted(section);
  else setTimeout(() => follow(section), ASK_EVERY_MS);
}

/** @param {string} url @returns {Promise<import("./swap-view.js").Swap | null>} null: no answer now; the next one may come */
async function ask(url) {
  try {
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    return response.ok ? await response.json() : null;
  } catch (error) {
    if (error instanceof TypeError || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Pages that show more than the swap itself have to say what serves now. @param {HTMLElement} section */
function reloadIfWanted(section) {
  if (section.closest("[data-reload-when-over]") !== null) location.reload();
}

for (const section of document.querySelectorAll("[data-swap-url]")) follow(/** @type {HTMLElement} */ (section));
