/** The product dialog: compares a match with the query, and shows its price and link. */

import { isGone } from "./api.js";
import { isFaint, meter, showsColour } from "./card.js";
import { fill, h, icon } from "./dom.js";
import { capital, labelName, named, number, t } from "./i18n.js";
import { MISSING, cutOut, itemPicture, strip } from "./picture.js";
import { linkOf, otherFacts, priceOf, titleOf } from "./product.js";

/**
 * @typedef {import("./types.js").Match} Match
 * @typedef {import("./types.js").Lane} Lane
 */

/**
 * @param {Match} match
 * @param {Lane} lane
 * @param {import("./types.js").Photo | null} photo The query photo.
 * @param {import("./ask.js").Asker} ask
 * @returns {HTMLDialogElement}
 */
export function detailDialog(match, lane, photo, ask) {
  const title = titleOf(match);
  const link = linkOf(match.columns);
  const cutout = photo && lane.kind !== "text" && lane.kind !== "product" ? cutOut(photo, lane.box, 320) : null;
  const box = h("dialog.dialog.detail", { "aria-labelledby": "detail-title" });
  const ways = h("div.buttons", {},
    link && h("a.button.primary", { href: link, target: "_blank", rel: "noopener noreferrer" }, t("shopLink"), icon("away")),
    match.product_id !== null && h("button.button", { type: "button", onclick: () => void ask.similar(/** @type {string} */ (match.product_id), match) }, icon("spark"), t("moreLike")));
  fill(
    box,
    h("button.close", { type: "button", "aria-label": t("close"), onclick: () => box.close() }, icon("close")),
    h("div.pair", {},
      cutout && h("figure", {}, h("span.picture.shown", {}, cutout), strip(lane.palette), h("figcaption", {}, t("detailYours"))),
      h("figure", {}, itemPicture(match.item_id, { eager: true }), strip(match.palette), h("figcaption", {}, t("detailTheirs")))),
    h("div.detail-words", {},
      h("p.eyebrow", {}, kindOf(match)),
      h("h2", { id: "detail-title" }, title),
      priceOf(match.columns) && h("p.detail-price", {}, priceOf(match.columns)),
      ways,
      h("h3", {}, t("whyTitle")),
      h("dl.reasons", {}, reasons(match, lane))),
    facts(match, lane),
  );
  box.addEventListener(MISSING, async () => {
    if (match.product_id !== null && (await isGone(match.product_id))) fill(ways, h("p.below", { role: "alert" }, t("problem_gone")));
  });
  return box;
}

/** The shop's category of the product, else the detector's label. @param {Match} match */
const kindOf = (match) => (typeof match.columns.category === "string" ? capital(labelName(match.columns.category)) : named(match));

/** @param {Match} match @param {Lane} lane */
function reasons(match, lane) {
  const { threshold } = lane;
  const words = match.text_similarity !== null && lane.kind !== "text";
  return [
    reason(meter(t("like"), match.similarity, isFaint(match, lane)), lane.kind === "text" ? t("whyText") : t("whyLike")),
    match.good === false && threshold !== null && h("dd.below", {}, t("whyBelow", { n: number(threshold, 2) })),
    showsColour(match, lane) && reason(meter(t("likeColour"), match.colour_similarity ?? 0), t("whyColour")),
    words && reason(meter(t("likeText"), match.text_similarity ?? 0), t("whyText")),
  ];
}

/** @param {Node} bar @param {string} text */
const reason = (bar, text) => [h("dt", {}, bar), h("dd", {}, text)];

/** Details for the shop's staff. @param {Match} match @param {Lane} lane */
function facts(match, lane) {
  /** @type {[string, string][]} */
  const rows = [
    [t("factProduct"), match.product_id ?? "–"],
    [t("factPhoto"), match.image_key],
    [t("factItem"), match.item_id],
    [t("factRank"), number(match.rank)],
    ...otherFacts(match.columns),
  ];
  return h("details.facts", {},
    h("summary", {}, t("facts")),
    h("dl", {}, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
    match.folded > 0 && h("p.muted", {}, t("whyFolded", { n: match.folded })),
    lane.score !== null && h("p.muted", {}, t("sureness", { n: Math.round(100 * lane.score) })));
}
