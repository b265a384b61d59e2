/** The card of a product: picture, title, price and similarities. */

import { h } from "./dom.js";
import { number, t } from "./i18n.js";
import { itemPicture, strip } from "./picture.js";
import { priceOf, titleOf } from "./product.js";

/** @typedef {import("./types.js").Match} Match */
/** @typedef {import("./types.js").Lane} Lane */

const FAINT = 0.3; // similarity below which two pictures have little in common

/**
 * @param {Match} match
 * @param {Lane} lane
 * @param {(match: Match, lane: Lane) => void} open
 */
export function card(match, lane, open) {
  const far = match.good === false;
  return h(`li.card${far ? ".far" : ""}`, {},
    h("button.card-face", { type: "button", onclick: () => open(match, lane) },
      itemPicture(match.item_id),
      strip(match.palette),
      h("span.card-title", {}, titleOf(match)),
      h("span.card-price", {}, priceOf(match.columns) ?? "\u00a0"),
      h("span.why", {},
        meter(t("like"), match.similarity, isFaint(match, lane)),
        match.text_similarity !== null && lane.kind !== "text" && meter(t("likeText"), match.text_similarity),
        showsColour(match, lane) && meter(t("likeColour"), match.colour_similarity ?? 0)),
      far && h("span.flag", {}, t("notClose"))));
}

/** Whether the similarity is too low for a full bar. Text lanes are exempt: text is never as similar to a picture. @param {Match} match @param {Lane} lane */
export const isFaint = ({ similarity }, { kind }) => kind !== "text" && similarity < FAINT;

/** Whether to show colour similarity. It compares with the photo, so not if the text names another colour. @param {Match} match @param {Lane} lane */
export const showsColour = ({ colour_similarity }, { kind, text, tint }) =>
  colour_similarity !== null && tint === null && (kind !== "image" || text === null);

/** A similarity with its bar. @param {string} name @param {number} value 0 … 1; negative values are shown as 0 @param {boolean} [faint] */
export function meter(name, value, faint = false) {
  value = Math.max(0, value);
  return h(`span.meter${faint ? ".faint" : ""}`, {},
    h("span.meter-name", {}, name),
    h("span.meter-bar", { "aria-hidden": "true" }, h("i", { style: { width: `${100 * Math.min(1, value)}%` } })),
    h("span.meter-value", {}, number(value, 2)));
}

/** A placeholder card while loading. */
export const cardSkeleton = () =>
  h("li.card.skeleton", { "aria-hidden": "true" }, h("span.picture"), h("span.line"), h("span.line.short"));
