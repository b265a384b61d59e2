/** What the page knows, in one record that is replaced and never changed in place. */

/**
 * @typedef {import("./types.js").Answer} Answer
 * @typedef {import("./types.js").Box} Box
 * @typedef {import("./types.js").Filters} Filters
 * @typedef {import("./types.js").Lane} Lane
 * @typedef {import("./types.js").Photo} Photo
 * @typedef {import("./problem.js").Problem} Problem
 *
 * @typedef {{item_id: string, product_id: string | null, columns: Record<string, unknown>}} Known A product as the catalogue tells it.
 * @typedef {{kind: 'text', text: string} | {kind: 'similar', product: string, about: Known | null}} Asked
 * @typedef {'all' | 'whole' | 'box' | number} Chosen A number: of the answer's `objects`.
 * @typedef {{kind: 'product', match: import("./types.js").Match, lane: Lane} | {kind: 'filters'}} Over
 *
 * @typedef {object} State
 * @property {'start' | 'photo' | 'words'} view
 * @property {Photo | null} photo
 * @property {Asked | null} asked In the view `words`.
 * @property {Answer | null} answer
 * @property {{box: Box, lane: Lane | null} | null} drawn What was drawn over the photo, and its answer.
 * @property {boolean} drawing
 * @property {Chosen} chosen
 * @property {Over | null} over The dialog that lies over the answer.
 * @property {string} refine “This, but …”.
 * @property {number} colour 0 … 1: what likeness of colour counts.
 * @property {Filters} filters
 * @property {'' | 'price' | '-price'} sort A column, downwards with a minus; '': the most similar first.
 * @property {number[]} unlike The objects that nothing was really like before the filters.
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
  asked: null,
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

/** A lane that was shown alone; all of them, where it is gone. @param {Pick<State, "answer" | "drawn">} state @param {Chosen} chosen @returns {Chosen} */
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
