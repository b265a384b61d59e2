/**
 * Browser history: an entry for each question, each selected lane and each dialog. Answers are kept as long as the page
 * is open.
 */

import { START, there } from "./state.js";

/**
 * @typedef {import("./state.js").Query} Query
 * @typedef {import("./state.js").Chosen} Chosen
 * @typedef {import("./state.js").Over} Over
 * @typedef {import("./state.js").State} State
 *
 * @typedef {object} Place A history entry.
 * @property {number} question
 * @property {number | null} under The entry it was opened over; null for a question's first entry.
 * @property {Chosen} chosen
 * @property {Over | null} over
 */

const MOST = 20; // questions kept; a photo of a few megabytes hangs on each
const LIFE = performance.timeOrigin; // entries of the history outlive the page that made them

/** @param {import("./state.js").Store} store */
export function createTrail(store) {
  /** @type {Map<number, Place>} */
  const places = new Map([[0, { question: 0, under: null, chosen: "all", over: null }]]);
  /** @type {Map<number, {state: State, open: boolean}>} */
  const questions = new Map();
  let here = 0;
  let last = 0;
  /** history.back() is asynchronous: steps to run once it is done. @type {(() => void)[] | null} */
  let waiting = null;
  history.replaceState({ place: here, life: LIFE }, "");

  const current = () => /** @type {Place} */ (places.get(here));

  /** Remember what is shown. @param {State} state */
  function leave(state) {
    const place = current();
    places.set(here, { ...place, chosen: state.chosen, over: state.over });
    questions.delete(place.question); // the one that was seen last comes last
    questions.set(place.question, { state: { ...state, busy: null, slow: false, drawing: false, over: null }, open: isOpen(state) });
    if (questions.size > MOST) forget([...questions.keys()][0]);
  }

  /** @param {number} question */
  function forget(question) {
    const photo = questions.get(question)?.state.photo;
    questions.delete(question);
    for (const [number, place] of places) if (place.question === question) places.delete(number);
    const shown = [store.get(), ...[...questions.values()].map(({ state }) => state)];
    if (photo && !shown.some((other) => other.photo === photo)) URL.revokeObjectURL(photo.url);
  }

  /** Run `step` once the browser's position matches the page's. @param {() => void} step */
  const then = (step) => (waiting ? waiting.push(step) : step());

  /** @param {Place} place @param {string} address */
  function push(place, address) {
    here = ++last;
    places.set(here, place);
    history.pushState({ place: here, life: LIFE }, "", address);
  }

  return {
    /** Add an entry for a new question. @param {Query | null} query Goes to the URL; null for a photo and the start view. */
    visit(query) {
      const state = store.get();
      then(() => {
        leave(state);
        push({ question: last + 1, under: null, chosen: "all", over: null }, address(query));
        scrollTo({ top: 0 });
      });
    },
    /** Add an entry for a selected lane or a dialog. */
    step() {
      const state = store.get();
      then(() => {
        leave(state);
        push({ question: current().question, under: here, chosen: state.chosen, over: state.over }, location.href);
      });
    },
    /** Go back from a lane or a dialog. The state has changed already. */
    back() {
      then(() => {
        const { under } = current();
        if (under === null || !places.has(under)) return;
        here = under;
        waiting = [];
        history.back();
      });
    },
    /** The last photo's answer, or null. */
    photo: () => [...questions.values()].findLast(({ state }) => state.view === "photo") ?? null,
    /** Follow the browser's history. @param {import("./ask.js").Asker} ask */
    follow(ask) {
      addEventListener("popstate", (event) => {
        const known = event.state?.life === LIFE ? places.get(event.state.place) : undefined;
        if (waiting && known && event.state.place === here) {
          const steps = waiting;
          waiting = null;
          for (const step of steps) step();
          return;
        }
        waiting = null;
        const before = current().question;
        leave(store.get());
        if (known) here = event.state.place;
        else {
          here = ++last;
          places.set(here, { question: here, under: null, chosen: "all", over: null });
          history.replaceState({ place: here, life: LIFE }, "");
        }
        if (known?.question === before) return ask.show(known.chosen, known.over);
        ask.stop(); // its answer belongs to the question that was left
        const kept = known && questions.get(known.question);
        const query = queryIn(location.search);
        const { release } = store.get();
        if (kept) {
          store.set({ ...kept.state, release, chosen: there(kept.state, known.chosen), over: known.over });
          if (kept.open) ask.again();
        } else if (query) ask.resume(query);
        else store.set({ ...START, release });
      });
    },
  };
}

/** Whether the question was left before its answer arrived. @param {State} state */
const isOpen = ({ view, busy, answer, drawn, trouble }) =>
  view !== "start" && !trouble &&
  (busy === "photo" || busy === "box" || busy === "words" || answer === null || drawn?.lane === null);

/** @param {Query | null} query */
function address(query) {
  const url = new URL(location.href);
  url.search = "";
  if (query?.kind === "text") url.searchParams.set("q", query.text);
  if (query?.kind === "similar") url.searchParams.set("like", query.product);
  return url.href;
}

/** The question in a URL. @param {string} search @returns {Query | null} */
export function queryIn(search) {
  const parameters = new URLSearchParams(search);
  const text = parameters.get("q")?.trim();
  const product = parameters.get("like");
  if (text) return { kind: "text", text };
  if (product) return { kind: "similar", product, about: null };
  return null;
}
