/** Filters: price, category and colour weight. A dialog sets them, chips show and remove them. */

import { fill, h, icon } from "./dom.js";
import { categories, categoryName, number, price, t } from "./i18n.js";
import { categoryColumn, filterCount } from "./question.js";
import { NO_FILTERS } from "./state.js";

/**
 * @typedef {import("./state.js").State} State
 * @typedef {import("./ask.js").Asker} Asker
 */

/** The button that opens the dialog. @param {State} state @param {() => void} open */
export function filterButton(state, open) {
  const n = filterCount(state);
  return h(`button.button.small.filter-button${n ? ".on" : ""}`, { type: "button", "aria-haspopup": "dialog", onclick: open },
    icon("filter"), n ? t("filtersOn", { n }) : t("filters"));
}

/** A chip for each active filter. @param {State} state @param {Asker} ask */
export function filterChips(state, ask) {
  const { filters, colour, refine } = state;
  /** @param {string} text @param {Partial<State>} without */
  const chip = (text, without) =>
    h("li", {}, h("button.chip.removable", { type: "button", "aria-label": t("remove", { what: text }), onclick: () => ask.narrow(without) }, text, icon("close")));
  const chips = [];
  if (refine) chips.push(chip(t("refined", { text: refine }), { refine: "" }));
  if (filters.min !== null || filters.max !== null) {
    chips.push(chip(priceWords(filters, currencyOf(state)), { filters: { ...filters, min: null, max: null } }));
  }
  for (const name of filters.categories) {
    chips.push(chip(categoryName(name), { filters: { ...filters, categories: filters.categories.filter((other) => other !== name) } }));
  }
  if (colour > 0) chips.push(chip(t("colourChip", { n: Math.round(100 * colour) }), { colour: 0 }));
  return chips.length ? h("ul.active-filters", { "aria-label": t("filters") }, chips) : null;
}

/** @param {import("./types.js").Filters} filters @param {unknown} currency */
function priceWords({ min, max }, currency) {
  if (min !== null && max !== null) return t("priceRange", { min: price(min, currency), max: price(max, currency) });
  if (max !== null) return t("priceUpTo", { max: price(max, currency) });
  return t("priceAtLeast", { min: price(/** @type {number} */ (min), currency) });
}

/** The currency of the shown products; undefined if unknown or mixed. @param {State} state */
function currencyOf({ answer, drawn }) {
  const lanes = [...(answer?.objects ?? []), answer?.whole, drawn?.lane];
  const currencies = new Set(lanes.flatMap((lane) => lane?.matches.map(({ columns }) => columns.currency) ?? []));
  return currencies.size === 1 ? [...currencies][0] : undefined;
}

/**
 * @param {State} state
 * @param {Asker} ask
 * @returns {HTMLDialogElement}
 */
export function filtersDialog(state, ask) {
  const columns = state.release?.columns;
  const has = (/** @type {string} */ name) => !columns || columns.includes(name);
  const range = state.release?.facets?.price;
  const currency = currencyOf(state);
  const low = amount("price-min", t("priceMin"), state.filters.min, range && price(range.least, currency));
  const high = amount("price-max", t("priceMax"), state.filters.max, range && price(range.most, currency));
  const chosen = new Set(state.filters.categories);
  const colour = h("input", { id: "colour", type: "range", min: 0, max: 0.9, step: 0.1, value: state.colour, oninput: tell });
  const share = h("output.muted", { for: "colour" });
  const box = h("dialog.dialog.sheet", { "aria-labelledby": "filters-title" });
  fill(
    box,
    h("form.stack", { method: "dialog", onsubmit: apply },
      h("button.close", { type: "button", "aria-label": t("close"), onclick: () => box.close() }, icon("close")),
      h("h2", { id: "filters-title" }, t("filters")),
      has("price") && h("fieldset", {},
        h("legend", {}, t("price")),
        h("div.range", {}, low.label, low.input, high.label, high.input)),
      has(categoryColumn(state.release)) && h("fieldset", {},
        h("legend", {}, t("category")),
        h("div.choices", {}, names().map((name) =>
          h("button.chip", { type: "button", "aria-pressed": String(chosen.has(name)), onclick: toggle, "data-category": name }, categoryName(name))))),
      state.view === "photo" && h("fieldset", {},
        h("legend", {}, h("label", { for: "colour" }, t("colourMatters")), share),
        colour,
        h("div.ends", { "aria-hidden": "true" }, h("span", {}, t("colourLess")), h("span", {}, t("colourMore")))),
      h("div.buttons.spread", {},
        h("button.button", { type: "button", onclick: clear }, t("clear")),
        h("button.button.primary", { type: "submit" }, t("apply")))),
  );
  tell();

  /** The shop's categories, else the detector's and those in the answer. */
  function names() {
    const own = state.release?.facets?.categories ?? [];
    if (own.length) return own.map(({ name }) => name);
    const seen = (state.answer?.objects ?? []).flatMap((lane) => [lane.label, ...lane.matches.map((match) => match.label)]);
    const others = new Set(seen.filter((label) => label !== null && !categories.includes(label)));
    return [...categories, .../** @type {Set<string>} */ (others)];
  }

  /** @param {Event} event */
  function toggle(event) {
    const button = /** @type {HTMLElement} */ (event.currentTarget);
    const name = /** @type {string} */ (button.dataset.category);
    if (!chosen.delete(name)) chosen.add(name);
    button.setAttribute("aria-pressed", String(chosen.has(name)));
  }

  function tell() {
    fill(share, `${number(100 * Number(colour.value))}%`);
  }

  /** @param {Event} event */
  function apply(event) {
    event.preventDefault();
    ask.shut();
    let [min, max] = [low.value(), high.value()];
    if (min !== null && max !== null && min > max) [min, max] = [max, min];
    ask.narrow({ filters: { min, max, categories: [...chosen] }, colour: Number(colour.value) });
  }

  function clear() {
    ask.shut();
    ask.narrow({ filters: NO_FILTERS, colour: 0 });
  }
  return box;
}

/**
 * A price field.
 * @param {string} id
 * @param {string} name
 * @param {number | null} value
 * @param {string | null | undefined} extreme The shop's lowest or highest price.
 */
function amount(id, name, value, extreme) {
  const input = h("input.field", { id, placeholder: extreme, type: "number", inputmode: "decimal", min: 0, step: "any", value: value ?? "", "aria-label": name });
  const label = h("span", { "aria-hidden": "true" }, id === "price-min" ? t("priceFrom") : t("priceTo"));
  return {
    input,
    label,
    /** @returns {number | null} */
    value: () => (input.value.trim() === "" || !Number.isFinite(input.valueAsNumber) ? null : Math.max(0, input.valueAsNumber)),
  };
}
