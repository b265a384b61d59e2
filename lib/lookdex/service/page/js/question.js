/** From what is chosen on the page to what the service is asked: pure. */

/**
 * @typedef {import("./api.js").Options} Options
 * @typedef {import("./state.js").State} State
 * @typedef {import("./types.js").Filters} Filters
 * @typedef {import("./types.js").Lane} Lane
 */

export const FIRST = 12; // products in a row
export const STEP = 24; // that “show more” adds
const LOOK_PHOTOS = 4;
const SORTED = 48; // the nearest products, which a list by price begins with

/** The most products that the service answers with, as far as it told. @param {State} state */
export const mostOf = ({ release }) => release?.max_k ?? Infinity;

/** How many products “show more” asks for. @param {State} state @param {Lane | null | undefined} lane What is shown already. */
export const moreOf = (state, lane) => Math.min((lane?.matches.length ?? 0) + STEP, mostOf(state));

/**
 * The filters as a predicate on the release's columns; undefined without any.
 * @param {Filters} filters
 * @param {import("./types.js").Release | null} release
 * @returns {string | undefined}
 */
export function whereOf({ min, max, categories }, release) {
  const parts = [];
  if (min !== null) parts.push(`price >= ${plain(min)}`);
  if (max !== null) parts.push(`price <= ${plain(max)}`);
  if (categories.length) parts.push(`${categoryColumn(release)} in (${categories.map(quoted).join(", ")})`);
  return parts.join(" and ") || undefined;
}

/** The shop's own categories where the release tells them, else what the detector takes things for. @param {import("./types.js").Release | null} release */
export const categoryColumn = (release) => (release?.facets?.categories?.length ? "category" : "label");

/** @param {string} text */
export const quoted = (text) => `'${text.replaceAll("'", "''")}'`;

/** Without an exponent. @param {number} value */
const plain = (value) => (Number.isInteger(value) ? value.toFixed(0) : String(Number(value.toFixed(4))));

/** How many filters are on. @param {State} state */
export const filterCount = ({ filters, colour }) =>
  Number(filters.min !== null || filters.max !== null) + filters.categories.length + Number(colour > 0);

/** What every question has. @param {State} state @param {number} k */
const asked = ({ filters, release, sort }, k) =>
  ({ k: sort ? Math.max(k, SORTED) : k, where: whereOf(filters, release), sort: sort || undefined });

/** And every one with a photo. @param {State} state @param {number} k @returns {Options} */
const shared = (state, k) => ({ ...asked(state, k), colour: state.colour || undefined, text: state.refine || undefined });

/** Every object of the photo. @param {State} state @param {number} [k] @returns {Options} */
export const photoOptions = (state, k = FIRST) =>
  ({ ...shared(state, k), look_photos: LOOK_PHOTOS });

/** What was drawn. @param {State} state @param {number} [k] @returns {Options} */
export function boxOptions(state, k = FIRST * 2) {
  const { x0, y0, x1, y1 } = /** @type {NonNullable<State["drawn"]>} */ (state.drawn).box;
  return { ...shared(state, k), box: [x0, y0, x1, y1], whole: false, look: false };
}

/** One object, or the whole photo, with more products. @param {State} state @param {number | 'whole'} lane @param {number} k @returns {Options} */
export function laneOptions(state, lane, k) {
  const objects = state.answer?.objects.length ?? 0;
  const object = lane === "whole" ? (objects ? 0 : undefined) : lane;
  return { ...shared(state, k), object, whole: lane === "whole", look: false };
}

/** Words, or a product. @param {State} state @param {number} [k] */
export const wordsOptions = (state, k = STEP) => asked(state, k);

/**
 * The lanes to show, in order: what was drawn, the photo's most prominent object, the others, the whole photo.
 * A filter by category hides the objects that it does not fit, unless it fits none.
 * @param {State} state
 * @returns {{lanes: {id: import("./state.js").Chosen, lane: Lane}[], hidden: number}}
 */
export function lanesOf({ answer, drawn, filters }) {
  /** @type {{id: import("./state.js").Chosen, lane: Lane}[]} */
  const lanes = [];
  if (drawn?.lane) lanes.push({ id: "box", lane: drawn.lane });
  if (!answer) return { lanes, hidden: 0 };
  const objects = answer.objects.map((lane, id) => ({ id, lane }));
  objects.sort((a, b) => Number(b.lane.main) - Number(a.lane.main));
  const fitting = filters.categories.length ? objects.filter(({ lane }) => fits(lane, filters.categories)) : [];
  const shown = fitting.length ? fitting : objects;
  lanes.push(...shown);
  if (answer.whole) lanes.push({ id: "whole", lane: answer.whole });
  return { lanes, hidden: objects.length - shown.length };
}

/** Nothing of the lane is like what was asked, as far as the release can tell. @param {Lane} lane */
export const isFar = (lane) => lane.no_good_match === true;

/** A filter leaves products out, so that it may be why nothing is like what was asked. @param {Filters} filters */
export const leavesOut = ({ min, max, categories }) => min !== null || max !== null || categories.length > 0;

/** The filters are why nothing is like that piece: something was before. @param {State} state @param {import("./state.js").Chosen} id */
export const blames = ({ filters, unlike }, id) => leavesOut(filters) && !(typeof id === "number" && unlike.includes(id));

/**
 * An answer without products that have nothing in common with what was asked: they fill up what was asked for.
 * @param {import("./types.js").Answer} answer
 * @returns {import("./types.js").Answer}
 */
export const alikeOf = (answer) =>
  ({ ...answer, objects: answer.objects.map(alike), whole: answer.whole && alike(answer.whole), goes_with: answer.goes_with.map(alike) });

/** @param {Lane} lane @returns {Lane} */
function alike(lane) {
  const matches = lane.matches.filter(({ similarity }) => similarity > 0);
  const lacking = lane.within !== null && lane.matches.length > 0 && lane.matches.every(({ other }) => other === "kind");
  return { ...lane, matches, lacking, exhausted: lane.exhausted || matches.length < lane.matches.length };
}

/** The object is of such a category, or something of it is a good match. @param {Lane} lane @param {string[]} categories */
const fits = (lane, categories) =>
  categories.some((name) => name.toLowerCase() === lane.label) || lane.matches.some((match) => match.good === true);
