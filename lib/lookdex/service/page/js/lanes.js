/** Lanes as rows and grids of products. */

import { card, cardSkeleton } from "./card.js";
import { h, icon, pace } from "./dom.js";
import { categoryName, pluralName, named, t } from "./i18n.js";
import { cutOut, itemPicture, strip } from "./picture.js";
import { linkOf, priceOf } from "./product.js";
import { blames, isFar, leavesOut, mostOf } from "./question.js";

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
 * A lane in the list: a scrolling row.
 * @param {State} state
 * @param {{id: Chosen, lane: Lane}} shown
 * @param {{open: (match: Match, lane: Lane) => void, alone: (id: Chosen) => void, clear: (() => void) | null}} acts
 */
export function laneRow(state, { id, lane }, acts) {
  const name = laneName(lane, id);
  const key = `lane-${id}`;
  return h("section.lane", { "aria-labelledby": key, "data-lane": id },
    h("header.lane-head", {},
      state.photo && h("span.thumb", {}, cutOut(state.photo, id === "whole" ? null : lane.box, 56)),
      h("div.lane-names", {}, h("h2", { id: key }, name), meta(lane, false)),
      lane.matches.length > 0 && allButton(id, name, acts.alone)),
    notices(state, { id, lane }, acts.clear, false),
    lane.matches.length > 0 && rowOf(lane, name, acts.open));
}

/**
 * A collapsed lane, of which only the name is shown.
 * @param {State} state
 * @param {{id: Chosen, lane: Lane}} shown
 * @param {{open: (match: Match, lane: Lane) => void, alone: (id: Chosen) => void, unfolded: Set<Chosen>}} acts unfolded: open
 *   lanes, remembered because lanes are rendered again on every change.
 */
export function foldedLane(state, { id, lane }, acts) {
  const name = laneName(lane, id);
  const box = h("details.lane.folded", {
    "data-lane": id, open: acts.unfolded.has(id),
    ontoggle: () => void (box.open ? acts.unfolded.add(id) : acts.unfolded.delete(id)),
  },
    h("summary", {},
      state.photo && h("span.thumb", {}, cutOut(state.photo, id === "whole" ? null : lane.box, 56)),
      h("h2", {}, name), icon("next")),
    lane.matches.length ? [h("div.folded-head", {}, meta(lane, false), allButton(id, name, acts.alone)), rowOf(lane, name, acts.open)] : emptyNotice(null));
  return box;
}

/**
 * Lanes without a good match, in the shop or within the filters: one notice for all, and a collapsed lane for each.
 * @param {State} state
 * @param {{id: Chosen, lane: Lane}[]} lanes
 * @param {Parameters<typeof foldedLane>[2] & {clear: (() => void) | null}} acts
 */
export function unmatchedLanes(state, lanes, acts) {
  const filtered = lanes.every(({ id }) => blames(state, id));
  const key = `far-lanes${filtered ? "-filtered" : ""}`;
  return h("section.far-lanes", { "aria-labelledby": key },
    h("div.notice.far", {},
      h("strong", { id: key }, filtered ? t("noGoodFilters") : t("noGoodPieces", { n: lanes.length })),
      h("p", {}, t("noGoodOpen")),
      filtered && acts.clear && clearButton(acts.clear)),
    lanes.map((shown) => foldedLane(state, shown, acts)));
}

/** @param {Chosen} id @param {string} name @param {(id: Chosen) => void} alone */
const allButton = (id, name, alone) =>
  h("button.button.small.ghost", { type: "button", onclick: () => alone(id), "aria-label": `${t("seeAll")}: ${name}` }, t("seeAll"), icon("next"));

/** @param {() => void} clear */
const clearButton = (clear) => h("button.button.small", { type: "button", onclick: clear }, t("clearAll"));

/** @param {Lane} lane @param {string} name @param {(match: Match, lane: Lane) => void} open */
function rowOf(lane, name, open) {
  const list = h("ul.row", {}, cards(lane, open));
  rove(list);
  return h("div.scroller", {}, list, arrows(list, name));
}

/** @type {Record<string, (at: number, of: number) => number>} */
const STEPS = { ArrowLeft: (at) => at - 1, ArrowRight: (at) => at + 1, Home: () => 0, End: (_, of) => of - 1 };

/** Make a row of products one tab stop, with arrow keys between the products. @param {HTMLElement} list */
function rove(list) {
  const faces = /** @type {HTMLElement[]} */ ([...list.querySelectorAll(".card-face")]);
  /** @param {HTMLElement} held */
  const hold = (held) => faces.forEach((face) => (face.tabIndex = face === held ? 0 : -1));
  hold(faces[0]);
  list.addEventListener("focusin", (event) => hold(/** @type {HTMLElement} */ (event.target)));
  list.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const next = faces[STEPS[event.key]?.(faces.indexOf(/** @type {HTMLElement} */ (event.target)), faces.length)];
    if (!next) return;
    event.preventDefault(); // the keys would also scroll
    next.focus();
  });
}

/** The products, with a heading where other categories or colours begin. @param {Lane} lane @param {(match: Match, lane: Lane) => void} open */
const cards = (lane, open) => lane.matches.map((match, n) => [
  match.other !== null && match.other !== lane.matches[n - 1]?.other && h("li.others", {}, h("span", {}, t(`others_${match.other}`))),
  card(match, lane, open),
]);

/**
 * A single lane as a grid, with more products on demand.
 * @param {State} state
 * @param {{id: Chosen, lane: Lane, title?: string, about?: import("./state.js").Known | null}} shown about: the query product.
 * @param {{open: (match: Match, lane: Lane) => void, more: (() => void) | null, clear: (() => void) | null}} acts
 */
export function laneGrid(state, { id, lane, title, about }, acts) {
  const name = title ?? laneName(lane, id);
  return h("section.lane.alone", { "aria-labelledby": "lane-alone" },
    h("header.lane-head", {},
      state.photo && h("span.thumb", {}, cutOut(state.photo, id === "whole" ? null : lane.box, 56)),
      about && itemPicture(about.item_id, { eager: true }),
      h("div.lane-names", {}, h(title ? "h1" : "h2", { id: "lane-alone" }, name), about && sold(about.columns), meta(lane, true))),
    notices(state, { id, lane }, acts.clear, true),
    h("ul.grid", {}, cards(lane, acts.open)),
    lane.matches.length > 0 && (lane.exhausted || lane.matches.length >= mostOf(state)
      ? h("p.end", {}, t(lane.exhausted ? "exhausted" : "most", { n: lane.matches.length }))
      : acts.more && h("div.buttons.centre", {}, h("button.button.more", { type: "button", onclick: acts.more, disabled: state.busy === "more" }, t("more")))));
}

/** A product's price and link. @param {Record<string, unknown>} columns */
function sold(columns) {
  const [cost, link] = [priceOf(columns), linkOf(columns)];
  return h("p.sold", {}, cost && h("span.card-price", {}, cost),
    link && h("a", { href: link, target: "_blank", rel: "noopener noreferrer" }, t("shopLink")));
}

/** A titled lane of products worn with the query product. @param {Lane} lane @param {string} title @param {(match: Match, lane: Lane) => void} open @param {number} n */
export function plainRow(lane, title, open, n) {
  return h("section.lane", { "aria-labelledby": `plain-${n}` },
    h("header.lane-head", {}, h("div.lane-names", {}, h("h2", { id: `plain-${n}` }, title), meta(lane, false))),
    rowOf(lane, title, open));
}

/** The detector's confidence and the preferred category. @param {Lane} lane @param {boolean} all */
function meta(lane, all) {
  const parts = [
    lane.kind === "object" && lane.score !== null && t("sureness", { n: Math.round(100 * lane.score) }),
    !all && lane.widened === "uncertain" && t("otherKindsToo"),
    all && lane.within && !lane.lacking && t("within", { what: categoryName(lane.within) }),
  ].filter(Boolean);
  return h("p.lane-meta", {}, lane.palette.length > 0 && strip(lane.palette), parts.length > 0 && h("span", {}, parts.join(" · ")));
}

/** Notices above the products. @param {State} state @param {{id: Chosen, lane: Lane}} shown @param {(() => void) | null} clear @param {boolean} all */
function notices(state, { id, lane }, clear, all) {
  const unknown = all && unknownWords(lane);
  if (!lane.matches.length) return [unknown, emptyNotice(clear)];
  if (lane.lacking) return [unknown, lacks(state, /** @type {string} */ (lane.within), clear, all)];
  if (isFar(lane)) {
    const filtered = blames(state, id);
    return h(`div.notice.far${all ? "" : ".slim"}`, {},
      h("strong", {}, filtered ? t("noGoodFilters") : t("noGoodTitle")), all && !filtered && h("p", {}, t("noGoodText")),
      filtered && clear && clearButton(clear));
  }
  const follows = lane.widened === "too_few" ? fewOf(lane) : lane.widened;
  return [unknown, all && follows && lane.kind !== "image" && h("p.notice.quiet", {}, t(`widened_${follows}`))];
}

/** A notice that the shop has no products of the category. @param {State} state @param {string} kind @param {(() => void) | null} clear @param {boolean} all */
function lacks(state, kind, clear, all) {
  const filtered = leavesOut(state.filters);
  return h(`div.notice${all ? "" : ".slim"}`, {},
    h("strong", {}, t(filtered ? "lacksFiltered" : "lacks", { what: pluralName(kind) })), all && h("p", {}, t("lacksText")),
    filtered && clear && clearButton(clear));
}

/** A note on how the lane was widened. @param {Lane} lane */
function fewOf({ matches }) {
  const colours = matches.some(({ other }) => other === "colour");
  const kinds = matches.some(({ other }) => other === "kind");
  return colours && kinds ? "both" : colours ? "colour" : kinds ? "too_few" : null;
}

/** A notice that the text was not understood. @param {Lane | null | undefined} lane */
export const unknownWords = (lane) => lane?.understood === false &&
  h("div.notice.far", {}, h("strong", {}, t("unknownWords")), h("p", {}, t("unknownWordsText")));

/** A notice that there are no products. @param {(() => void) | null} clear Clears the filters, if they are the reason. */
export function emptyNotice(clear) {
  return h("div.notice.empty", {}, h("strong", {}, t("emptyTitle")), h("p", {}, clear ? t("emptyFilters") : t("emptyText")),
    clear && clearButton(clear));
}

/** Scroll buttons beside a row, for mice without horizontal scrolling. @param {HTMLElement} list @param {string} name */
function arrows(list, name) {
  /** @param {1 | -1} direction */
  const arrow = (direction) =>
    h(`button.arrow.${direction > 0 ? "on" : "back"}`, {
      type: "button", tabindex: -1, "aria-hidden": "true", title: t(direction > 0 ? "scrollOn" : "scrollBack", { what: name }),
      onclick: () => list.scrollBy({ left: direction * list.clientWidth * 0.85, behavior: pace() }),
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

/** Placeholder lanes while loading. @param {number} rows @param {string} words */
export function lanesSkeleton(rows, words) {
  const row = () => h("div.lane.skeleton-lane", { "aria-hidden": "true" }, h("span.line.head"), h("ul.row", {}, Array.from({ length: 6 }, cardSkeleton)));
  return h("div.loading", {}, h("p.loading-words", {}, words), Array.from({ length: rows }, row));
}

/** @param {number} count */
export const gridSkeleton = (count) => h("ul.grid", { "aria-hidden": "true" }, Array.from({ length: count }, cardSkeleton));

