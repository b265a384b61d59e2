/** The browser's “back” and “forward”: each question is a place, and its answer is kept while the page lives. */

import { START } from "./state.js";

/**
 * @typedef {import("./state.js").Asked} Asked
 * @typedef {import("./state.js").State} State
 */

const MOST = 20; // places kept; a photo of a few megabytes hangs on each

/** @param {import("./state.js").Store} store */
export function createTrail(store) {
  /** @type {Map<number, {state: State, open: boolean}>} */
  const places = new Map();
  let here = 0;
  let last = 0;
  history.replaceState({ place: here }, "");

  function leave() {
    const state = store.get();
    places.set(here, { state: { ...state, busy: null, slow: false, drawing: false }, open: isOpen(state) });
    if (places.size > MOST) forget([...places.keys()][0]);
  }

  /** @param {number} place */
  function forget(place) {
    const photo = places.get(place)?.state.photo;
    places.delete(place);
    const shown = [store.get(), ...[...places.values()].map(({ state }) => state)];
    if (photo && !shown.some((other) => other.photo === photo)) URL.revokeObjectURL(photo.url);
  }

  return {
    /** Go on to a new place. @param {Asked | null} asked What its address tells; null for a photo and the start. */
    visit(asked) {
      leave();
      here = ++last;
      history.pushState({ place: here }, "", address(asked));
      scrollTo({ top: 0 });
    },
    /** Go where the browser has gone. @param {import("./ask.js").Asker} ask */
    follow(ask) {
      addEventListener("popstate", (event) => {
        leave();
        ask.stop(); // its answer belongs to the place that was left
        here = event.state?.place ?? 0;
        const kept = places.get(here);
        const asked = askedIn(location.search);
        const { release } = store.get();
        if (kept) {
          store.set({ ...kept.state, release });
          if (kept.open) ask.again();
        } else if (asked) ask.resume(asked);
        else store.set({ ...START, release });
      });
    },
  };
}

/** Left before its answer came. @param {State} state */
const isOpen = ({ view, busy, answer, drawn, trouble }) =>
  view !== "start" && !trouble &&
  (busy === "photo" || busy === "box" || busy === "words" || answer === null || drawn?.lane === null);

/** @param {Asked | null} asked */
function address(asked) {
  const url = new URL(location.href);
  url.search = "";
  if (asked?.kind === "text") url.searchParams.set("q", asked.text);
  if (asked?.kind === "similar") {
    url.searchParams.set("like", asked.product);
    url.searchParams.set("title", asked.title);
  }
  return url.href;
}

/** What an address asks. @param {string} search @returns {Asked | null} */
export function askedIn(search) {
  const parameters = new URLSearchParams(search);
  const text = parameters.get("q")?.trim();
  const product = parameters.get("like");
  if (text) return { kind: "text", text };
  if (product) return { kind: "similar", product, title: parameters.get("title") ?? product };
  return null;
}
