/** Read a product's columns by their usual names, which vary by shop. */

import { price, t } from "./i18n.js";

/** @typedef {Record<string, unknown>} Columns */
/** @typedef {{product_id: string | null, image_key?: string, columns: Columns}} Product */

/** @param {Product} product */
export function titleOf({ columns, product_id, image_key }) {
  for (const name of ["title", "name", "product_name"]) {
    if (typeof columns[name] === "string" && columns[name].trim()) return columns[name].trim();
  }
  return product_id ?? image_key ?? t("untitled");
}

/** The price as text, or null. @param {Columns} columns */
export function priceOf(columns) {
  const value = columns.price;
  return typeof value === "number" ? price(value, columns.currency) : null;
}

/** The URL of the product's page. Only http(s): a catalogue must not be able to inject code. @param {Columns} columns */
export function linkOf(columns) {
  const value = columns.url ?? columns.link;
  if (typeof value !== "string" || !/^https?:\/\//i.test(value)) return null;
  return URL.canParse(value) ? value : null;
}

/** Other columns worth showing. @param {Columns} columns @returns {[string, string][]} */
export function otherFacts(columns) {
  const shown = new Set(["title", "name", "product_name", "price", "currency", "url", "link"]);
  return Object.entries(columns)
    .filter(([name, value]) => !shown.has(name) && value !== null && typeof value !== "object" && value !== "")
    .map(([name, value]) => [name.replaceAll("_", " "), String(value)]);
}
