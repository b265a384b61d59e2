/** The results: chips, look and lanes, or an error. */

import { fill, h, icon, pace } from "./dom.js";
import { filterButton, filterChips } from "./filters.js";
import { labelled, onLanguage, t } from "./i18n.js";
import { unmatchedLanes, foldedLane, gridSkeleton, laneGrid, laneName, laneRow, lanesSkeleton, emptyNotice, plainRow, unknownWords } from "./lanes.js";
import { lookOf, similarOutfits } from "./look.js";
import { cutOut } from "./picture.js";
import { titleOf } from "./product.js";
import { blames, filterCount, isFar, lanesOf } from "./question.js";
import { sortSelect } from "./sort.js";
import { NO_FILTERS } from "./state.js";
import { troublePanel } from "./trouble.js";

/**
 * @typedef {import("./state.js").State} State
 * @typedef {import("./types.js").Lane} Lane
 * @typedef {import("./types.js").Match} Match
 */

/**
 * @param {import("./state.js").Store} store
 * @param {import("./ask.js").Asker} ask
 * @param {() => void} another Called to choose another photo.
 */
export function createResults(store, ask, another) {
  const bar = h("div.bar");
  const body = h("div.results-body");
  const title = h("h1.unseen");
  const element = h("section.results", {}, title, bar, body);
  /** @type {Set<import("./state.js").Chosen>} */
  const unfolded = new Set();

  /** @param {Match} match @param {Lane} lane */
  const open = (match, lane) => ask.open({ kind: "product", match, lane });
  const clear = () => void ask.narrow({ filters: NO_FILTERS, colour: 0 });

  /** @param {State} state */
  function showBar(state) {
    const ready = state.answer !== null;
    const photo = state.view === "photo" && state.photo;
    const { lanes } = lanesOf(state);
    fill(title, state.view === "photo" ? t("pieces") : wordsTitle(state));
    title.hidden = state.view === "words" && ready; // then it is seen, above the products
    fill(
      bar,
      ready && photo && h("div.pieces", { role: "group", "aria-label": t("pieces") },
        h("button.chip", { type: "button", "aria-pressed": String(state.chosen === "all"), onclick: () => ask.choose("all"), "data-chip": "all" }, t("all")),
        lanes.map(({ id, lane }) =>
          h("button.chip.with-thumb", { type: "button", "aria-pressed": String(state.chosen === id), onclick: () => ask.choose(id), "data-chip": id },
            h("span.thumb.round", {}, cutOut(photo, id === "whole" ? null : lane.box, 32)), laneName(lane, id)))),
      (ready || filterCount(state) > 0) && h("div.narrow", {},
        filterButton(state, () => ask.open({ kind: "filters" })),
        sortSelect(state, ask),
        photo && refineForm(),
        filterChips(state, ask)),
    );
  }

  function refineForm() {
    const input = h("input", { id: "refine", type: "text", placeholder: t("refineHint"), maxlength: 200, enterkeyhint: "search", autocomplete: "off" });
    return h("form.refine", {
      /** @param {Event} event */
      onsubmit: (event) => {
        event.preventDefault();
        const refine = input.value.trim();
        if (refine) ask.narrow({ refine });
        else input.focus();
      },
    },
      h("label.unseen", { for: "refine" }, t("refineLabel")), icon("spark"), input,
      h("button", { type: "submit", "aria-label": t("refineGo"), title: t("refineGo") }, icon("next")));
  }

  /** @param {State} state */
  function showBody(state) {
    const { trouble, busy, answer } = state;
    const toPhoto = ask.hasPhoto() ? () => ask.toPhoto() : undefined;
    const panel = trouble && troublePanel(trouble.problem, trouble.retry, state.view === "photo" ? { photo: true, another } : { toPhoto, home: ask.home });
    body.classList.toggle("stale", busy !== null && answer !== null && busy !== "more");
    body.setAttribute("aria-busy", String(busy !== null));
    if (!answer) {
      const rows = state.view === "photo" ? lanesSkeleton(3, t(state.slow ? "slow" : "searching"))
        : [h("p.loading-words", {}, t(state.slow ? "slow" : "searchingText")), gridSkeleton(12)];
      return fill(body, panel ?? (busy && rows));
    }
    fill(body, panel, state.view === "photo" ? photoAnswer(state) : wordsAnswer(state, toPhoto));
  }

  /** @param {State} state */
  function photoAnswer(state) {
    const { answer, chosen } = state;
    if (!answer) return null;
    const { lanes, hidden } = lanesOf(state);
    const clearing = filterCount(state) ? clear : null;
    if (chosen === "box" && !state.drawn?.lane) return state.trouble ? null : [h("p.loading-words", {}, t("searchingText")), gridSkeleton(8)];
    if (clearing && lanes.every(({ lane }) => !lane.matches.length)) return emptyNotice(clear);
    const alone = lanes.find(({ id }) => id === chosen);
    if (alone) {
      return [
        h("button.button.small.ghost.to-all", { type: "button", onclick: () => ask.choose("all") }, icon("back"), t("backToAll")),
        laneGrid(state, alone, { open, clear: clearing, more: () => void ask.more() }),
      ];
    }
    const acts = { open, alone: alonely, clear: clearing, unfolded };
    const rows = inRows(lanes, answer.objects.length > 0);
    return [
      answer.no_object && h("div.notice", {},
        h("strong", {}, t("noObjectTitle")), h("p", {}, t("noObjectText")),
        h("button.button.small", { type: "button", onclick: () => /** @type {HTMLElement | null} */ (document.querySelector(".draw"))?.click() }, icon("box"), t("draw"))),
      unknownWords(answer.whole ?? answer.objects[0]),
      !hidden && lookOf(answer, open),
      rows.near.map((shown) => laneRow(state, shown, acts)),
      [false, true].map((filtered) => rows.far.filter(({ id }) => blames(state, id) === filtered))
        .map((far) => far.length > 0 && unmatchedLanes(state, far, acts)),
      rows.whole && foldedLane(state, rows.whole, acts),
      hidden > 0 && h("p.notice.quiet", {}, t("hiddenLanes", { n: hidden })),
      similarOutfits(answer, (product, about) => void ask.similar(product, about)),
    ];
  }

  /**
   * Objects without a good match get no row, nor does the whole photo if its objects have rows.
   * @param {{id: import("./state.js").Chosen, lane: Lane}[]} lanes
   * @param {boolean} pieces
   */
  function inRows(lanes, pieces) {
    const whole = pieces && lanes.find(({ id }) => id === "whole");
    const others = lanes.filter((shown) => shown !== whole);
    const far = others.filter(({ id, lane }) => typeof id === "number" && isFar(lane));
    return { near: others.filter((shown) => !far.includes(shown)), far, whole };
  }

  /** Show one lane, scrolled to its top. @param {import("./state.js").Chosen} id */
  function alonely(id) {
    ask.choose(id);
    const top = body.getBoundingClientRect().top + scrollY - 160;
    if (scrollY > top) scrollTo({ top });
    /** @type {HTMLElement | null} */ (bar.querySelector(`[data-chip="${id}"]`))?.focus({ preventScroll: true });
  }

  /** @param {State} state @param {(() => void) | undefined} toPhoto */
  function wordsAnswer(state, toPhoto) {
    const { answer, query } = state;
    const lane = answer?.objects[0];
    if (!answer || !lane || !query) return null;
    const clearing = filterCount(state) ? clear : null;
    const about = query.kind === "similar" ? query.about : null;
    return [
      toPhoto && h("button.button.small.ghost.to-all", { type: "button", onclick: toPhoto }, icon("back"), t("backToPhoto")),
      laneGrid({ ...state, photo: null }, { id: "all", lane, title: wordsTitle(state), about }, { open, clear: clearing, more: () => void ask.more() }),
      answer.goes_with.filter((worn) => worn.matches.length).map((worn, n) => plainRow(worn, t("goesWith", { what: labelled(worn) ?? t("unknownPiece") }), open, n)),
    ];
  }

  /** @param {State} state */
  function wordsTitle({ query }) {
    return query?.kind === "similar" ? t("similarTitle", { title: query.about ? titleOf(query.about) : query.product }) : t("textTitle", { text: query?.text ?? "" });
  }

  function all() {
    const state = store.get();
    element.setAttribute("aria-label", t("match"));
    showBar(state);
    showBody(state);
  }

  store.on((now, before) => {
    if (now.view === "start") return;
    if (now.photo !== before.photo) unfolded.clear();
    const changed = (/** @type {(keyof State)[]} */ ...names) => names.some((name) => now[name] !== before[name]);
    if (changed("answer", "chosen", "drawn", "filters", "colour", "refine", "sort", "release", "view", "photo", "query")) keepFocus(() => showBar(now));
    if (changed("answer", "chosen", "drawn", "busy", "trouble", "view", "photo", "query", "slow")) showBody(now);
  });
  onLanguage(all);

  /** Keep the focus while chips and fields are rendered again. @param {() => void} change */
  function keepFocus(change) {
    const held = /** @type {HTMLElement | null} */ (document.activeElement);
    if (!held || !bar.contains(held)) return change();
    const { chip } = held.dataset;
    const field = held.closest(".refine") ? ".refine input" : held.closest(".sort") ? ".sort select" : ".filter-button";
    change();
    const next = bar.querySelector(chip ? `[data-chip="${chip}"]` : field);
    /** @type {HTMLElement | null} */ (next)?.focus({ preventScroll: true });
  }

  /** Scroll to the products if the photo is above them, not beside them. */
  function reveal() {
    if (element.getBoundingClientRect().top > innerHeight / 3) element.scrollIntoView({ block: "start", behavior: pace() });
  }

  return { element, reveal };
}
