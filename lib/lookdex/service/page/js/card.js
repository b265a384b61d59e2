/** A product of an answer: its picture, what it is, and in short why it is here. */

import { h } from "./dom.js";
import { number, t } from "./i18n.js";
import { itemPicture, strip } from "./picture.js";
import { priceOf, titleOf } from "./product.js";

/**
 * @param {import("./types.js").Match} match
 * @param {import("./types.js").Lane} lane
 * @param {(match: import("./types.js").Match, lane: import("./types.js").Lane) => void} open
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
        meter(t("like"), match.similarity),
        match.text_similarity !== null && lane.kind !== "text" && meter(t("likeText"), match.text_similarity),
        match.colour_similarity !== null && meter(t("likeColour"), match.colour_similarity)),
      far && h("span.flag", {}, t("notClose"))));
}

/** A likeness with its bar. @param {string} name @param {number} value 0 … 1 */
export function meter(name, value) {
  return h("span.meter", {},
    h("span.meter-name", {}, name),
    h("span.meter-bar", { "aria-hidden": "true" }, h("i", { style: { width: `${100 * Math.min(1, Math.max(0, value))}%` } })),
    h("span.meter-value", {}, number(value, 2)));
}

/** What a card looks like before it is known. */
export const cardSkeleton = () =>
  h("li.card.skeleton", { "aria-hidden": "true" }, h("span.picture"), h("span.line"), h("span.line.short"));
