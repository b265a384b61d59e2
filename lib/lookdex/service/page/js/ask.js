/** Actions of the page: each asks the service and stores the result in the state. */

import { pendingKey } from "./access.js";
import * as api from "./api.js";
import { readPhoto } from "./photo.js";
import { Problem } from "./problem.js";
import { FIRST, STEP, boxOptions, isFar, laneOptions, leavesOut, moreOf, photoOptions, wordsOptions } from "./question.js";
import { NO_FILTERS, there } from "./state.js";

/**
 * @typedef {import("./state.js").Query} Query
 * @typedef {import("./state.js").Chosen} Chosen
 * @typedef {import("./state.js").State} State
 * @typedef {import("./types.js").Box} Box
 * @typedef {import("./types.js").Answer} Answer
 */

const SLOW = 6000; // ms until the page says that the search is slow
const LONGEST = 60000;

/** Call `then` after `ms`, not counting time spent in the access key dialog. @param {number} ms @param {() => void} then @returns {AbortController} Cancels it. */
function after(ms, then) {
  const ended = new AbortController();
  let timer = 0;
  const start = () => {
    if (ended.signal.aborted) return;
    timer = setTimeout(() => {
      const asking = pendingKey();
      if (asking) void asking.then(start);
      else then();
    }, ms);
  };
  ended.signal.addEventListener("abort", () => clearTimeout(timer));
  start();
  return ended;
}

/**
 * @param {import("./state.js").Store} store
 * @param {{visit: (query: Query | null) => void, step: () => void, back: () => void, photo: () => {state: State, open: boolean} | null}}
 *   trail Browser history, and the last photo.
 */
export function createAsker(store, trail) {
  /** @type {AbortController | null} */
  let running = null;

  /**
   * Run a question, aborting an older one. Errors go to the state's `trouble`.
   * @param {NonNullable<State["busy"]>} busy
   * @param {(signal: AbortSignal) => Promise<Partial<State>>} work
   * @param {(() => void) | null} retry
   * @returns {Promise<boolean>} Whether it was answered.
   */
  async function run(busy, work, retry) {
    running?.abort();
    const controller = (running = new AbortController());
    store.set({ busy, slow: false, trouble: null });
    const slow = after(SLOW, () => store.set({ slow: true }));
    const late = after(LONGEST, () => controller.abort("late"));
    try {
      const changes = await work(controller.signal);
      if (running !== controller) return false;
      store.set({ ...changes, busy: null, slow: false });
      return true;
    } catch (error) {
      if (running !== controller) return false; // a newer question is running
      const problem = controller.signal.reason === "late" ? new Problem("timeout") : problemFrom(error);
      store.set({ busy: null, slow: false, trouble: { problem, retry } });
      return false;
    } finally {
      slow.abort();
      late.abort();
    }
  }

  /** @param {unknown} error */
  function problemFrom(error) {
    if (error instanceof Problem) return error;
    console.error(error);
    return new Problem("server", { detail: String(error) });
  }

  /** Search by the current photo, and again by the drawn box if there is one. @param {number} [k] */
  function askPhoto(k = FIRST) {
    return run("photo", async (signal) => {
      const state = store.get();
      const photo = /** @type {NonNullable<State["photo"]>} */ (state.photo);
      const [answer, drawn] = await Promise.all([
        api.searchPhoto(photo.blob, photoOptions(state, k), signal),
        state.drawn ? api.searchPhoto(photo.blob, boxOptions(state), signal) : null,
      ]);
      const lane = state.drawn && drawn ? { box: state.drawn.box, lane: drawn.objects[0] } : state.drawn;
      const unlike = leavesOut(state.filters) ? state.unlike : answer.objects.flatMap((one, n) => (isFar(one) ? n : []));
      return { answer, drawn: lane, unlike, chosen: there({ answer, drawn: lane }, store.get().chosen) };
    }, () => askPhoto(k));
  }

  /** @param {number} [k] */
  function askWords(k = STEP) {
    return run("words", async (signal) => {
      const { query } = store.get();
      const options = wordsOptions(store.get(), k);
      if (query?.kind !== "similar") return { answer: await api.searchText({ q: query?.text, ...options }, signal) };
      const [answer, about] = await Promise.all([
        api.searchSimilar(query.product, { ...options, goes_with: "true" }, signal),
        query.about ?? api.productOf(query.product, signal),
      ]);
      return { answer, query: { ...query, about } };
    }, () => askWords(k));
  }

  const askAgain = () => (store.get().view === "photo" ? askPhoto() : askWords());

  /** The initial state of every new question. */
  const FRESH = { answer: null, drawn: null, drawing: false, chosen: /** @type {Chosen} */ ("all"), over: null, refine: "", filters: NO_FILTERS, sort: /** @type {State["sort"]} */ (""), unlike: [], colour: 0 };

  /** Show one lane, as a history entry above the list of lanes. @param {Chosen} chosen @param {Partial<State>} changes */
  function choose(chosen, changes) {
    const before = store.get().chosen;
    if (before === "all" && chosen !== "all") trail.step();
    store.set({ ...changes, chosen });
    if (before !== "all" && chosen === "all") trail.back();
  }

  return {
    /** Search by a file that was dropped, pasted, picked or taken. @param {Blob} file @param {string} name */
    async photo(file, name) {
      const read = await run("reading", async (signal) => {
        const photo = await readPhoto(file, name);
        if (signal.aborted) {
          URL.revokeObjectURL(photo.url);
          throw signal.reason;
        }
        trail.visit(null);
        return { ...FRESH, view: "photo", photo, query: null };
      }, null);
      if (read) return void (await askPhoto());
      const { trouble, view } = store.get();
      if (!trouble || view === "start") return;
      store.set({ trouble: null }); // of the earlier question
      trail.visit(null);
      store.set({ ...FRESH, view: "start", photo: null, query: null, trouble });
    },
    /** Search by one of the page's sample photos. @param {string} address @param {string} name */
    async sample(address, name) {
      try {
        const response = await fetch(address);
        if (!response.ok) throw new Problem("server");
        await this.photo(await response.blob(), name);
      } catch {
        store.set({ trouble: { problem: new Problem("offline"), retry: () => this.sample(address, name) } });
      }
    },
    /** Search by a box drawn over the photo. @param {Box} box */
    box(box) {
      choose("box", { drawn: { box, lane: null }, drawing: false });
      return run("box", async (signal) => {
        const state = store.get();
        const photo = /** @type {NonNullable<State["photo"]>} */ (state.photo);
        const answer = await api.searchPhoto(photo.blob, boxOptions(state), signal);
        return { drawn: { box, lane: answer.objects[0] } };
      }, () => this.box(box));
    },
    /** Show one lane, or all. @param {Chosen} chosen */
    choose(chosen) {
      const { drawn } = store.get();
      choose(chosen, { drawing: false, drawn: drawn?.lane || chosen === "box" ? drawn : null });
    },
    /** Open a dialog over the answer. @param {import("./state.js").Over} over */
    open(over) {
      trail.step();
      store.set({ over });
    },
    /** Close the dialog and go back from its history entry. */
    shut() {
      if (!store.get().over) return;
      store.set({ over: null });
      trail.back();
    },
    /** Close the dialog before a new question, which gets its own history entry. */
    lay() {
      store.set({ over: null });
    },
    /** Show what the browser's back or forward button led to within one question. @param {Chosen} chosen @param {State["over"]} over */
    show(chosen, over) {
      const { busy } = store.get();
      if (busy === "box" || busy === "more") this.stop(); // they belong to the previous lane
      const state = store.get();
      const drawn = state.drawn?.lane ? state.drawn : null;
      store.set({ chosen: there({ ...state, drawn }, chosen), over, drawn, drawing: false });
    },
    /** Load more products of the selected lane. */
    more() {
      const { view, chosen, answer, drawn } = store.get();
      if (view === "words") return askWords(moreOf(store.get(), answer?.objects[0]));
      return run("more", async (signal) => {
        const state = store.get();
        const photo = /** @type {NonNullable<State["photo"]>} */ (state.photo);
        if (chosen === "box" && drawn?.lane) {
          const more = await api.searchPhoto(photo.blob, boxOptions(state, moreOf(state, drawn.lane)), signal);
          return { drawn: { box: drawn.box, lane: more.objects[0] } };
        }
        if (!answer || chosen === "all" || chosen === "box") return {};
        const lane = chosen === "whole" ? answer.whole : answer.objects[chosen];
        const options = laneOptions(state, chosen, moreOf(state, lane));
        const more = await api.searchPhoto(photo.blob, options, signal);
        if (more.release_id !== answer.release_id) {
          // The release has changed: never mix its answers with those of the old one.
          return { answer: await api.searchPhoto(photo.blob, photoOptions(state, options.k), signal), chosen: "all" };
        }
        if (chosen === "whole") return { answer: { ...answer, whole: more.whole } };
        return { answer: { ...answer, objects: answer.objects.with(chosen, { ...more.objects[0], main: answer.objects[chosen].main }) } };
      }, () => this.more());
    },
    /** @param {string} text */
    text(text) {
      trail.visit({ kind: "text", text });
      return this.resume({ kind: "text", text });
    },
    /** Search by product. @param {string} product @param {import("./state.js").Known} about */
    similar(product, about) {
      trail.visit({ kind: "similar", product, about });
      return this.resume({ kind: "similar", product, about });
    },
    /** Whether there is a photo to go back to. */
    hasPhoto: () => trail.photo() !== null,
    /** Go back to the last photo's answer, as it was left. */
    toPhoto() {
      const kept = trail.photo();
      if (!kept) return;
      this.stop();
      trail.visit(null);
      store.set({ ...kept.state, release: store.get().release });
      if (kept.open) askAgain();
    },
    /** Run the question in the page's URL. @param {Query} query */
    resume(query) {
      store.set({ ...FRESH, view: "words", query });
      return askWords();
    },
    /** Repeat the question with other filters, colour weight or text. @param {Partial<State>} changes */
    narrow(changes) {
      store.set(changes);
      return askAgain();
    },
    again: askAgain,
    home() {
      running?.abort();
      running = null;
      trail.visit(null);
      store.set({ ...FRESH, view: "start", photo: null, query: null, busy: null, slow: false, trouble: null });
    },
    /** Abort the running question silently. */
    stop() {
      running?.abort();
      running = null;
      store.set({ busy: null, slow: false });
    },
  };
}

/** @typedef {ReturnType<typeof createAsker>} Asker */
