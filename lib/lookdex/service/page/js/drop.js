/** Accept photos dropped anywhere on the page or pasted. */

import { fill, h, icon } from "./dom.js";
import { t } from "./i18n.js";
import { photoIn } from "./photo.js";

/**
 * @param {HTMLElement} veil Shown while a file hovers over the page.
 * @param {import("./ask.js").Asker} ask
 */
export function acceptPhotos(veil, ask) {
  let depth = 0; // dragenter and dragleave fire for every element

  /** @param {number} now */
  function hover(now) {
    depth = Math.max(0, now);
    if (depth > 0 && veil.hidden) fill(veil, h("p", {}, icon("photo"), t("drop")));
    veil.hidden = depth === 0;
  }

  /** @param {DragEvent} event */
  const carriesFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

  addEventListener("dragenter", (event) => {
    if (carriesFile(event)) hover(depth + 1);
  });
  addEventListener("dragleave", (event) => {
    if (carriesFile(event)) hover(depth - 1);
  });
  addEventListener("dragover", (event) => {
    if (carriesFile(event)) event.preventDefault(); // otherwise the browser opens the file
  });
  addEventListener("drop", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    hover(0);
    take(photoIn(event.dataTransfer));
  });
  addEventListener("paste", (event) => {
    const file = photoIn(event.clipboardData);
    if (!file) return; // pasted text goes to the focused field
    event.preventDefault();
    take(file);
  });

  /** @param {File | null} file */
  function take(file) {
    if (!file) return;
    ask.lay();
    for (const open of document.querySelectorAll("dialog[open]")) /** @type {HTMLDialogElement} */ (open).close();
    ask.photo(file, file.name);
  }
}
