/** Rows and grids of products: one lane of an answer each. */

import { card, cardSkeleton } from "./card.js";
import { h, icon } from "./dom.js";
import { categoryName, named, t } from "./i18n.js";
import { cutOut, strip } from "./picture.js";
import { mostOf } from "./question.js";

/**
 * @typedef {import("./state.js").State} State
 * @typedef {import("./state.js").Chosen} Chosen
 * @typedef {import("./types.js").Lane} Lane
 * @typedef {import("./types.js").Match} Match
 */

/** @param {Lane} lane @param {Chosen} id */
export function laneName(lane, id) {
  if (id === "whole") return t("wholePhoto");
  if (id === "box") return named(lane) ?? t("yourBox");
  return named(lane) ?? t("unknownPiece");
}

/**
 * A lane in the list of all: a row that scrolls.
 * @param {State} state
 * @param {{id: Chosen, lane: Lane}} shown
 * @param {{open: (match: Match, lane: Lane) => void, alone: (id: Chosen) => void, clear: (() => void) | null}} acts
 */
export function laneRow(state, { id, lane }, acts) {
  const name = laneName(lane, id);
  const key = `lane-${id}`;
  const list = h("ul.row", {}, lane.matches.map((match) => card(match, lane, acts.open)));
  return h("section.lane", { "aria-labelledby": key, "data-lane": id },
    h("header.lane-head", {},
      state.photo && h("span.thumb", {}, cutOut(state.photo, id === "whole" ? null : lane.box, 56)),
      h("div.lane-names", {}, h("h2", { id: key }, name), meta(lane, false)),
      lane.matches.length > 0 && h("button.button.small.ghost", { type: "button", onclick: () => acts.alone(id), "aria-label": `${t("seeAll")}: ${name}` }, t("seeAll"), icon("next"))),
    notices(lane, acts.clear, false),
    lane.matches.length > 0 && h("div.scroller", {}, list, arrows(list, name)));
}

/**
 * A lane by itself: all its products, and more of them.
 * @param {State} state
 * @param {{id: Chosen, lane: Lane, title?: string}} shown
 * @param {{open: (match: Match, lane: Lane) => void, more: (() => void) | null, clear: (() => void) | null}} acts
 */
export function laneGrid(state, { id, lane, title }, acts) {
  const name = title ?? laneName(lane, id);
  return h("section.lane.alone", { "aria-labelledby": "lane-alone" },
    h("header.lane-head", {},
      state.photo && h("span.thumb", {}, cutOut(state.photo, id === "whole" ? null : lane.box, 56)),
      h("div.lane-names", {}, h(title ? "h1" : "h2", { id: "lane-alone" }, name), meta(lane, true))),
    notices(lane, acts.clear, true),
    h("ul.grid", {}, lane.matches.map((match) => card(match, lane, acts.open))),
    lane.matches.length > 0 && (lane.exhausted || lane.matches.length >= mostOf(state)
      ? h("p.end", {}, t(lane.exhausted ? "exhausted" : "most", { n: lane.matches.length }))
      : acts.more && h("div.buttons.centre", {}, h("button.button.more", { type: "button", onclick: acts.more, disabled: state.busy === "more" }, t("more")))));
}

/** A lane under a name of its own, without a photo: what is worn with a product. @param {Lane} lane @param {string} title @param {(match: Match, lane: Lane) => void} open @param {number} n */
export function plainRow(lane, title, open, n) {
  const list = h("ul.row", {}, lane.matches.map((match) => card(match, lane, open)));
  return h("section.lane", { "aria-labelledby": `plain-${n}` },
    h("header.lane-head", {}, h("div.lane-names", {}, h("h2", { id: `plain-${n}` }, title), meta(lane, false))),
    h("div.scroller", {}, list, arrows(list, title)));
}

/** How sure, and where was looked first. @param {Lane} lane @param {boolean} all */
function meta(lane, all) {
  const parts = [
    lane.kind === "object" && lane.score !== null && t("sureness", { n: Math.round(100 * lane.score) }),
    all && lane.within && t("within", { what: categoryName(lane.within) }),
  ].filter(Boolean);
  return h("p.lane-meta", {}, lane.palette.length > 0 && strip(lane.palette), parts.length > 0 && h("span", {}, parts.join(" · ")));
}

/** What is to be said before the products. @param {Lane} lane @param {(() => void) | null} clear @param {boolean} all */
function notices(lane, clear, all) {
  if (!lane.matches.length) return nothing(clear);
  if (lane.no_good_match) {
    return h(`div.notice.far${all ? "" : ".slim"}`, {}, h("strong", {}, t("noGoodTitle")), all && h("p", {}, t("noGoodText")));
  }
  if (all && lane.widened && lane.kind !== "image") return h("p.notice.quiet", {}, t(`widened_${lane.widened}`));
  return null;
}

/** No product at all. @param {(() => void) | null} clear Takes the filters away, where they are the reason. */
export function nothing(clear) {
  return h("div.notice.empty", {}, h("strong", {}, t("emptyTitle")), h("p", {}, clear ? t("emptyFilters") : t("emptyText")),
    clear && h("button.button.small", { type: "button", onclick: clear }, t("clearAll")));
}

/** Buttons beside a row for those who have a mouse and no wheel that goes sideways. @param {HTMLElement} list @param {string} name */
function arrows(list, name) {
  /** @param {1 | -1} direction */
  const arrow = (direction) =>
    h(`button.arrow.${direction > 0 ? "on" : "back"}`, {
      type: "button", tabindex: -1, "aria-hidden": "true", title: t(direction > 0 ? "scrollOn" : "scrollBack", { what: name }),
      onclick: () => list.scrollBy({ left: direction * list.clientWidth * 0.85, behavior: "smooth" }),
    }, icon("next"));
  const pair = [arrow(-1), arrow(1)];
  const update = () => {
    pair[0].hidden = list.scrollLeft < 4;
    pair[1].hidden = list.scrollLeft + list.clientWidth > list.scrollWidth - 4;
  };
  list.addEventListener("scroll", update, { passive: true });
  new ResizeObserver(update).observe(list);
  return pair;
}

/** A page of lanes before they are known. @param {number} rows @param {string} words */
export function lanesSkeleton(rows, words) {
  const row = () => h("div.lane.skeleton-lane", { "aria-hidden": "true" }, h("span.line.head"), h("ul.row", {}, Array.from({ length: 6 }, cardSkeleton)));
  return h("div.loading", {}, h("p.loading-words", {}, words), Array.from({ length: rows }, row));
}

/** @param {number} count */
export const gridSkeleton = (count) => h("ul.grid", { "aria-hidden": "true" }, Array.from({ length: count }, cardSkeleton));

