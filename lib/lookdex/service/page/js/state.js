/** The page's state: one immutable record, replaced on every change. */

/**
 * @typedef {import("./types.js").Answer} Answer
 * @typedef {import("./types.js").Box} Box
 * @typedef {import("./types.js").Filters} Filters
 * @typedef {import("./types.js").Lane} Lane
 * @typedef {import("./types.js").Photo} Photo
 * @typedef {import("./problem.js").Problem} Problem
 *
 * @typedef {{item_id: string, product_id: string | null, columns: Record<string, unknown>}} Known A product of the catalogue.
 * @typedef {{kind: 'text', text: string} | {kind: 'similar', product: string, about: Known | null}} Query
 * @typedef {'all' | 'whole' | 'box' | number} Chosen A number is an index into the answer's `objects`.
 * @typedef {{kind: 'product', match: import("./types.js").Match, lane: Lane} | {kind: 'filters'}} Over
 *
 * @typedef {object} State
 * @property {'start' | 'photo' | 'words'} view
 * @property {Photo | null} photo
 * @property {Query | null} query In the view `words`.
 * @property {Answer | null} answer
 * @property {{box: Box, lane: Lane | null} | null} drawn The drawn box and its answer.
 * @property {boolean} drawing
 * @property {Chosen} chosen
 * @property {Over | null} over The open dialog.
 * @property {string} refine Text that refines the photo.
 * @property {number} colour Weight of colour similarity, 0 … 1.
 * @property {Filters} filters
 * @property {'' | 'price' | '-price'} sort A column, descending with a minus. '' sorts by similarity.
 * @property {number[]} unlike Objects without a good match before filtering.
 * @property {null | 'reading' | 'photo' | 'box' | 'more' | 'words'} busy
 * @property {boolean} slow
 * @property {{problem: Problem, retry: (() => void) | null} | null} trouble
 * @property {import("./types.js").Release | null} release
 */

/** @type {Filters} */
export const NO_FILTERS = { min: null, max: null, categories: [] };

/** @type {State} */
export const START = {
  view: "start",
  photo: null,
  query: null,
  answer: null,
  drawn: null,
  drawing: false,
  chosen: "all",
  over: null,
  refine: "",
  colour: 0,
  filters: NO_FILTERS,
  sort: "",
  unlike: [],
  busy: null,
  slow: false,
  trouble: null,
  release: null,
};

/** The selected lane if it still exists, else all. @param {Pick<State, "answer" | "drawn">} state @param {Chosen} chosen @returns {Chosen} */
export function there({ answer, drawn }, chosen) {
  if (chosen === "box") return drawn ? chosen : "all";
  return typeof chosen !== "number" || !answer || chosen < answer.objects.length ? chosen : "all";
}

/** @param {State} state */
export function createStore(state) {
  /** @type {((now: State, before: State) => void)[]} */
  const listeners = [];
  return {
    get: () => state,
    /** @param {Partial<State>} changes */
    set(changes) {
      const before = state;
      state = { ...state, ...changes };
      for (const listener of listeners) listener(state, before);
    },
    /** Call after each change. @param {(now: State, before: State) => void} listener */
    on(listener) {
      listeners.push(listener);
    },
  };
}

/** @typedef {ReturnType<typeof createStore>} Store */
