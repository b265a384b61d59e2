/** Check whether the catalogue has changed since the answer, when there is a hint that it may have. */

import { release } from "./api.js";
import { MISSING } from "./picture.js";

/** @typedef {import("./state.js").State} State */

const REST = 5000; // minimum ms between two checks
const LONG_REST = 60000; // if the only hint is elapsed time

/** Whether the release is newer than the answer's. @param {State} state */
export const isOutdated = ({ answer, release }) =>
  answer !== null && release !== null && Date.parse(release.released_at) > Date.parse(answer.released_at);

/** @param {import("./state.js").Store} store */
export function watchRelease(store) {
  let asking = false;
  let last = -Infinity;

  /** @param {number} rest */
  async function look(rest) {
    if (asking || !store.get().release || performance.now() - last < rest) return;
    asking = true;
    try {
      const live = await release();
      if (live.release_id !== store.get().release?.release_id) store.set({ release: live });
    } catch {
      // the next question reports the error
    }
    asking = false;
    last = performance.now();
  }

  document.addEventListener(MISSING, () => void look(REST));
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") void look(LONG_REST);
  });
  store.on((now, before) => {
    const other = now.answer !== before.answer && now.answer !== null && now.answer.release_id !== now.release?.release_id;
    if (other || (now.trouble !== before.trouble && now.trouble?.problem.kind === "gone")) void look(other ? 0 : REST);
  });
}
