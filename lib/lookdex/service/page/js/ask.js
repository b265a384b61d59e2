/** Questions and their answers: each verb of the page asks the service and puts what comes into the state. */

import { keyIsAsked } from "./access.js";
import * as api from "./api.js";
import { readPhoto } from "./photo.js";
import { Problem } from "./problem.js";
import { FIRST, STEP, boxOptions, isFar, laneOptions, leavesOut, moreOf, photoOptions, wordsOptions } from "./question.js";
import { NO_FILTERS, there } from "./state.js";

/**
 * @typedef {import("./state.js").Asked} Asked
 * @typedef {import("./state.js").Chosen} Chosen
 * @typedef {import("./state.js").State} State
 * @typedef {import("./types.js").Box} Box
 * @typedef {import("./types.js").Answer} Answer
 */

const SLOW = 6000; // ms after which the page says that it takes long
const LONGEST = 60000;

/** Once that time has passed in which nobody was asked for a key. @param {number} ms @param {() => void} then @returns {AbortController} Ends it. */
function after(ms, then) {
  const ended = new AbortController();
  let timer = 0;
  const start = () => {
    if (ended.signal.aborted) return;
    timer = setTimeout(() => {
      const asking = keyIsAsked();
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
 * @param {{visit: (asked: Asked | null) => void, step: () => void, back: () => void, photo: () => {state: State, open: boolean} | null}}
 *   trail Where the browser's “back” leads, and the photo that was left last.
 */
export function createAsker(store, trail) {
  /** @type {AbortController | null} */
  let running = null;

  /**
   * Run one question; a newer one ends it. What goes wrong becomes the state's `trouble`.
   * @param {NonNullable<State["busy"]>} busy
   * @param {(signal: AbortSignal) => Promise<Partial<State>>} work
   * @param {(() => void) | null} retry
   * @returns {Promise<boolean>} It was answered.
   */
  async function run(busy, work, retry) {
    running?.abort();
    const mine = (running = new AbortController());
    store.set({ busy, slow: false, trouble: null });
    const slow = after(SLOW, () => store.set({ slow: true }));
    const late = after(LONGEST, () => mine.abort("late"));
    try {
      const changes = await work(mine.signal);
      if (running !== mine) return false;
      store.set({ ...changes, busy: null, slow: false });
      return true;
    } catch (error) {
      if (running !== mine) return false; // a newer question is on its way
      const problem = mine.signal.reason === "late" ? new Problem("timeout") : problemFrom(error);
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

  /** Ask for the photo that the state holds, and again for what was drawn over it. @param {number} [k] */
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
      const { asked } = store.get();
      const options = wordsOptions(store.get(), k);
      if (asked?.kind !== "similar") return { answer: await api.searchText({ q: asked?.text, ...options }, signal) };
      const [answer, about] = await Promise.all([
        api.searchSimilar(asked.product, { ...options, goes_with: "true" }, signal),
        asked.about ?? api.productOf(asked.product, signal),
      ]);
      return { answer, asked: { ...asked, about } };
    }, () => askWords(k));
  }

  const askAgain = () => (store.get().view === "photo" ? askPhoto() : askWords());

  /** What every new question starts from. */
  const FRESH = { answer: null, drawn: null, drawing: false, chosen: /** @type {Chosen} */ ("all"), over: null, refine: "", filters: NO_FILTERS, sort: /** @type {State["sort"]} */ (""), unlike: [], colour: 0 };

  /** A lane is a place over all of them. @param {Chosen} chosen @param {Partial<State>} changes */
  function choose(chosen, changes) {
    const before = store.get().chosen;
    if (before === "all" && chosen !== "all") trail.step();
    store.set({ ...changes, chosen });
    if (before !== "all" && chosen === "all") trail.back();
  }

  return {
    /** A file that was dropped, pasted, picked or taken. @param {Blob} file @param {string} name */
    async photo(file, name) {
      const read = await run("reading", async (signal) => {
        const photo = await readPhoto(file, name);
        if (signal.aborted) {
          URL.revokeObjectURL(photo.url);
          throw signal.reason;
        }
        trail.visit(null);
        return { ...FRESH, view: "photo", photo, asked: null };
      }, null);
      if (read) return void (await askPhoto());
      const { trouble, view } = store.get();
      if (!trouble || view === "start") return;
      store.set({ trouble: null }); // of the new file, and not of what is left behind for it
      trail.visit(null);
      store.set({ ...FRESH, view: "start", photo: null, asked: null, trouble });
    },
    /** A picture of the page's own. @param {string} address @param {string} name */
    async sample(address, name) {
      try {
        const response = await fetch(address);
        if (!response.ok) throw new Problem("server");
        await this.photo(await response.blob(), name);
      } catch {
        store.set({ trouble: { problem: new Problem("offline"), retry: () => this.sample(address, name) } });
      }
    },
    /** What was drawn over the photo. @param {Box} box */
    box(box) {
      choose("box", { drawn: { box, lane: null }, drawing: false });
      return run("box", async (signal) => {
        const state = store.get();
        const photo = /** @type {NonNullable<State["photo"]>} */ (state.photo);
        const answer = await api.searchPhoto(photo.blob, boxOptions(state), signal);
        return { drawn: { box, lane: answer.objects[0] } };
      }, () => this.box(box));
    },
    /** Show one lane alone, or all. @param {Chosen} chosen */
    choose(chosen) {
      const { drawn } = store.get();
      choose(chosen, { drawing: false, drawn: drawn?.lane || chosen === "box" ? drawn : null });
    },
    /** Lay a dialog over the answer. @param {import("./state.js").Over} over */
    open(over) {
      trail.step();
      store.set({ over });
    },
    /** Take the dialog away, and its place. */
    shut() {
      if (!store.get().over) return;
      store.set({ over: null });
      trail.back();
    },
    /** Take the dialog away for what comes next, which has a place of its own. */
    lay() {
      store.set({ over: null });
    },
    /** What the browser went back to, or on to, within one question. @param {Chosen} chosen @param {State["over"]} over */
    show(chosen, over) {
      const { busy } = store.get();
      if (busy === "box" || busy === "more") this.stop(); // they belong to the lane that was left
      const state = store.get();
      const drawn = state.drawn?.lane ? state.drawn : null;
      store.set({ chosen: there({ ...state, drawn }, chosen), over, drawn, drawing: false });
    },
    /** More products of the lane that is shown alone. */
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
          // Another release is live since: its answers never stand beside the old one's.
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
    /** More like a product. @param {string} product @param {import("./state.js").Known} about */
    similar(product, about) {
      trail.visit({ kind: "similar", product, about });
      return this.resume({ kind: "similar", product, about });
    },
    /** There is a photo to go back to. */
    hasPhoto: () => trail.photo() !== null,
    /** On to the last photo's answer, as it was left. */
    toPhoto() {
      const kept = trail.photo();
      if (!kept) return;
      this.stop();
      trail.visit(null);
      store.set({ ...kept.state, release: store.get().release });
      if (kept.open) askAgain();
    },
    /** What the page's address asks already. @param {Asked} asked */
    resume(asked) {
      store.set({ ...FRESH, view: "words", asked });
      return askWords();
    },
    /** Ask the same again with other filters, colour or words. @param {Partial<State>} changes */
    narrow(changes) {
      store.set(changes);
      return askAgain();
    },
    again: askAgain,
    home() {
      running?.abort();
      running = null;
      trail.visit(null);
      store.set({ ...FRESH, view: "start", photo: null, asked: null, busy: null, slow: false, trouble: null });
    },
    /** End what runs, without a word. */
    stop() {
      running?.abort();
      running = null;
      store.set({ busy: null, slow: false });
    },
  };
}

/** @typedef {ReturnType<typeof createAsker>} Asker */
