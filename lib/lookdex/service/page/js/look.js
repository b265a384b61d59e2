/** The look: the best product of each item as an outfit, with the total price. */

import { fill, h, icon } from "./dom.js";
import { labelled, number, price, t } from "./i18n.js";
import { itemPicture } from "./picture.js";
import { priceOf, titleOf } from "./product.js";

/**
 * @typedef {import("./types.js").Answer} Answer
 * @typedef {import("./types.js").Piece} Piece
 * @typedef {import("./types.js").Match} Match
 * @typedef {import("./types.js").Lane} Lane
 */

const LEAST = 0.5; // score of a catalogue photo that is worth showing as such a look

/**
 * The pieces of the look with their matches. Pieces without a good match are left out: they would not recreate the
 * look.
 * @param {Answer} answer
 * @returns {{piece: Piece, lane: Lane, match: Match}[]}
 */
export function piecesOf(answer) {
  const pieces = answer.look?.pieces ?? [];
  return pieces
    .filter((piece) => piece.good !== false)
    .flatMap((piece) => {
      const lane = answer.objects[piece.object];
      const match = lane?.matches.find((m) => m.product_id === piece.product_id);
      return match ? [{ piece, lane, match }] : [];
    });
}

/** @type {WeakMap<import("./types.js").Look, Set<number>>} */
const leftOut = new WeakMap();

/** Objects the user has deselected, remembered because the tiles are rendered again on every change. @param {import("./types.js").Look} look */
function deselectedOf(look) {
  const out = leftOut.get(look) ?? new Set();
  leftOut.set(look, out);
  return out;
}

/**
 * @param {Answer} answer
 * @param {(match: Match, lane: Lane) => void} open
 * @returns {HTMLElement | null} null if there are fewer than two pieces.
 */
export function lookOf(answer, open) {
  const pieces = piecesOf(answer);
  if (pieces.length < 2) return null;
  const out = deselectedOf(/** @type {import("./types.js").Look} */ (answer.look));
  const count = h("span.look-count");
  const total = h("output.look-total", { "aria-live": "polite" });
  const unpriced = h("span.muted");
  const currency = pieces.map(({ match }) => match.columns.currency).find((value) => typeof value === "string");

  function sum() {
    const kept = pieces.filter(({ piece }) => !out.has(piece.object));
    const known = kept.filter(({ piece }) => piece.price !== null);
    const missing = kept.length - known.length;
    fill(count, kept.length ? t("lookPieces", { n: kept.length }) : t("lookNone"));
    fill(total, known.length ? price(known.reduce((all, p) => all + /** @type {number} */ (p.piece.price), 0), currency) : "–");
    fill(unpriced, missing ? t("lookUnpriced", { n: missing }) : "");
  }

  const tiles = pieces.map(({ piece, lane, match }) => {
    const name = labelled(piece) ?? titleOf(match);
    const kept = !out.has(piece.object);
    const tile = h(`li.tile${kept ? "" : ".out"}`, {},
      h("button.tile-face", { type: "button", onclick: () => open(match, lane), "aria-label": t("openProduct", { title: titleOf(match) }) },
        itemPicture(match.item_id)),
      h("label.tile-keep", {},
        h("input", { type: "checkbox", checked: kept, "aria-label": t("lookInclude", { what: name }), onchange: keep }),
        h("span.tick", { "aria-hidden": "true" }, icon("check"))),
      h("span.tile-name", {}, name),
      h("span.tile-price", {}, priceOf(match.columns) ?? ""));

    /** @param {Event} event */
    function keep(event) {
      const on = /** @type {HTMLInputElement} */ (event.target).checked;
      if (on) out.delete(piece.object);
      else out.add(piece.object);
      tile.classList.toggle("out", !on);
      sum();
    }
    return tile;
  });
  sum();
  return h("section.look", { "aria-labelledby": "look-title" },
    h("header", {},
      h("h2", { id: "look-title" }, t("look")), count),
    h("ul.tiles", {}, tiles),
    h("p.look-sum", {}, h("span.muted", {}, t("lookTotal")), total, unpriced));
}

/**
 * Catalogue photos of a similar outfit: those with at least two of its pieces.
 * @param {Answer} answer
 * @param {(product: string, about: import("./state.js").Known) => void} similar
 */
export function similarOutfits(answer, similar) {
  const photos = (answer.look?.photos ?? []).filter((photo) => photo.worn.length > 1 && photo.score >= LEAST && photo.product_id !== null);
  if (!photos.length) return null;
  return h("section.lane.worn", { "aria-labelledby": "worn-title" },
    h("header.lane-head", {}, h("h2", { id: "worn-title" }, t("lookPhotos"))),
    h("ul.row", {}, photos.map((photo) => {
      const title = titleOf(photo);
      return h("li.card", {},
        h("button.card-face", { type: "button", onclick: () => similar(/** @type {string} */ (photo.product_id), photo) },
          itemPicture(photo.item_id),
          h("span.card-title", {}, title),
          h("span.meter-value", {}, `${t("like")} ${number(photo.score, 2)}`)));
    })));
}
