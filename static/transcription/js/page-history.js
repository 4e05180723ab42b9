// @ts-check
/** The history pages: times in the reader's zone, copy, and the question before a deletion. All works without it but these. */

import { wireCopyButton } from "./clipboard.js";
import { readJson, Texts } from "./texts.js";

function showLocalTimes() {
  const format = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  for (const element of document.querySelectorAll("time[data-local]")) {
    element.textContent = format.format(new Date(/** @type {HTMLTimeElement} */ (element).dateTime));
  }
}

function transcriptText() {
  return [...document.querySelectorAll("#lines .line-text")].map((line) => line.textContent).join("\n");
}

function wireDeletion() {
  const dialog = /** @type {HTMLDialogElement | null} */ (document.getElementById("delete-dialog"));
  document.getElementById("delete")?.addEventListener("click", () => dialog?.showModal());
  document.getElementById("delete-cancel")?.addEventListener("click", () => dialog?.close());
}

/** @param {string} sentence */
function showRefusal(sentence) {
  const notice = document.createElement("p");
  notice.className = "notice notice-warning";
  notice.setAttribute("role", "alert");
  notice.textContent = sentence;
  document.getElementById("main")?.prepend(notice);
}

showLocalTimes();
wireDeletion();
const copyButton = document.getElementById("copy");
if (copyButton !== null) wireCopyButton(copyButton, transcriptText, new Texts(readJson("texts")), showRefusal);
