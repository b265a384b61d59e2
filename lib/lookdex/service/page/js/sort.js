/** The order of the products: by similarity or by price. */

import { h, icon } from "./dom.js";
import { t } from "./i18n.js";

/** @typedef {import("./state.js").State} State */

/** @type {[State["sort"], import("./i18n.js").Word][]} */
const ORDERS = [["", "sortSimilar"], ["price", "sortLow"], ["-price", "sortHigh"]];

/** The sort menu, if the products have prices. @param {State} state @param {import("./ask.js").Asker} ask */
export function sortSelect(state, ask) {
  if (!state.release?.sortable?.includes("price")) return null;
  /** @param {Event} event */
  const change = (event) => {
    const { value } = /** @type {HTMLSelectElement} */ (event.currentTarget);
    ask.narrow({ sort: /** @type {State["sort"]} */ (value) });
  };
  return h(`label.sort${state.sort ? ".on" : ""}`, { title: t("sort") },
    icon("sort"), h("span.unseen", {}, t("sort")),
    h("select", { onchange: change }, ORDERS.map(([value, word]) => h("option", { value, selected: value === state.sort }, t(word)))));
}
