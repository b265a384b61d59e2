/** Build questions to the service from the page's state: pure functions. */

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

/** The service's largest `k`, if known. @param {State} state */
export const mostOf = ({ release }) => release?.max_k ?? Infinity;

/** The `k` of “Show more”. @param {State} state @param {Lane | null | undefined} lane The lane shown so far. */
export const moreOf = (state, lane) => Math.min((lane?.matches.length ?? 0) + STEP, mostOf(state));

/**
 * The filters as a predicate on the release's columns; undefined if there are none.
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

/** The column to filter by category: the shop's if it has one, else the detector's label. @param {import("./types.js").Release | null} release */
export const categoryColumn = (release) => (release?.facets?.categories?.length ? "category" : "label");

/** @param {string} text */
export const quoted = (text) => `'${text.replaceAll("'", "''")}'`;

/** Format without an exponent. @param {number} value */
const plain = (value) => (Number.isInteger(value) ? value.toFixed(0) : String(Number(value.toFixed(4))));

/** The number of active filters. @param {State} state */
export const filterCount = ({ filters, colour }) =>
  Number(filters.min !== null || filters.max !== null) + filters.categories.length + Number(colour > 0);

/** Options of every question. @param {State} state @param {number} k */
const query = ({ filters, release, sort }, k) =>
  ({ k: sort ? Math.max(k, SORTED) : k, where: whereOf(filters, release), sort: sort || undefined });

/** Options of every question with a photo. @param {State} state @param {number} k @returns {Options} */
const shared = (state, k) => ({ ...query(state, k), colour: state.colour || undefined, text: state.refine || undefined });

/** Ask for every object of the photo. @param {State} state @param {number} [k] @returns {Options} */
export const photoOptions = (state, k = FIRST) =>
  ({ ...shared(state, k), look_photos: LOOK_PHOTOS });

/** Ask for the drawn box. @param {State} state @param {number} [k] @returns {Options} */
export function boxOptions(state, k = FIRST * 2) {
  const { x0, y0, x1, y1 } = /** @type {NonNullable<State["drawn"]>} */ (state.drawn).box;
  return { ...shared(state, k), box: [x0, y0, x1, y1], whole: false, look: false };
}

/** Ask for more products of one object or of the whole photo. @param {State} state @param {number | 'whole'} lane @param {number} k @returns {Options} */
export function laneOptions(state, lane, k) {
  const objects = state.answer?.objects.length ?? 0;
  const object = lane === "whole" ? (objects ? 0 : undefined) : lane;
  return { ...shared(state, k), object, whole: lane === "whole", look: false };
}

/** Options of a text or product question. @param {State} state @param {number} [k] */
export const wordsOptions = (state, k = STEP) => query(state, k);

/**
 * The lanes to show, in order: the drawn box, the main object, other objects, the whole photo.
 * A category filter hides objects of other categories, unless that would hide all.
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

/** Whether the lane has no good match, if the release has thresholds. @param {Lane} lane */
export const isFar = (lane) => lane.no_good_match === true;

/** Whether filters exclude products, and so may be the reason for missing matches. @param {Filters} filters */
export const leavesOut = ({ min, max, categories }) => min !== null || max !== null || categories.length > 0;

/** Whether the filters are the reason that the lane has no good match: it had one before. @param {State} state @param {import("./state.js").Chosen} id */
export const blames = ({ filters, unlike }, id) => leavesOut(filters) && !(typeof id === "number" && unlike.includes(id));

/**
 * Drop products that have nothing in common with the query: they only fill up to `k`.
 * @param {import("./types.js").Answer} answer
 * @returns {import("./types.js").Answer}
 */
export const withoutDissimilar = (answer) =>
  ({ ...answer, objects: answer.objects.map(alike), whole: answer.whole && alike(answer.whole), goes_with: answer.goes_with.map(alike) });

/** @param {Lane} lane @returns {Lane} */
function alike(lane) {
  const matches = lane.matches.filter(({ similarity }) => similarity > 0);
  const lacking = lane.within !== null && lane.matches.length > 0 && lane.matches.every(({ other }) => other === "kind");
  return { ...lane, matches, lacking, exhausted: lane.exhausted || matches.length < lane.matches.length };
}

/** Whether the object, or one of its good matches, is in one of the categories. @param {Lane} lane @param {string[]} categories */
const fits = (lane, categories) =>
  categories.some((name) => name.toLowerCase() === lane.label) || lane.matches.some((match) => match.good === true);
