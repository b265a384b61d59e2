/** Dialogs with a history entry: product and filters. */

import { detailDialog } from "./detail.js";
import { filtersDialog } from "./filters.js";

/**
 * @param {import("./state.js").Store} store
 * @param {import("./ask.js").Asker} ask
 */
export function createOver(store, ask) {
  /** @type {HTMLDialogElement | null} */
  let shown = null;

  /** @param {import("./state.js").Over} over @returns {HTMLDialogElement} */
  function dialogOf(over) {
    if (over.kind === "filters") return filtersDialog(store.get(), ask);
    const { view, photo } = store.get();
    return detailDialog(over.match, over.lane, view === "photo" ? photo : null, ask);
  }

  /** @param {import("./state.js").Over | null} over */
  function show(over) {
    const before = shown;
    shown = null;
    before?.close();
    if (!over) return;
    const box = (shown = dialogOf(over));
    box.addEventListener("click", (event) => {
      if (event.target === box) box.close(); // beside what it holds
    });
    box.addEventListener("close", () => {
      box.remove();
      if (shown === box) ask.shut();
    });
    document.body.append(box);
    box.showModal();
  }

  store.on((now, before) => {
    if (now.over !== before.over) show(now.over);
  });
}
