/** The footer: the release, its age and size, and the time of each step of the answer. */

import { fill, h } from "./dom.js";
import { isOutdated } from "./fresh.js";
import { ago, dateTime, optionalText, number, onLanguage, t } from "./i18n.js";

/**
 * @param {HTMLElement} place
 * @param {import("./state.js").Store} store
 * @param {import("./ask.js").Asker} ask
 */
export function createFooter(place, store, ask) {
  function show() {
    const { answer, release } = store.get();
    const id = answer?.release_id ?? release?.release_id;
    const at = answer?.released_at ?? release?.released_at;
    if (!id) return fill(place, h("p", {}, h("span", {}, "lookdex")));
    const when = at ? new Date(at) : null;
    fill(
      place,
      h("p", {},
        h("span.release", {}, t("release", { id })),
        when && h("time", { datetime: at, title: dateTime(when) }, t("published", { when: ago(when) })),
        release?.facets?.products !== undefined && h("span", {}, t("products", { n: release.facets.products })),
        isOutdated(store.get()) && h("span.newer", {}, t("newer"), " ", h("button.again", { type: "button", onclick: ask.again }, t("askAgain"))),
        answer && h("span", {}, t("answered", { ms: Math.round(1000 * total(answer.seconds)) }))),
      answer && steps(answer),
    );
  }

  /** @param {import("./types.js").Answer} answer */
  function steps({ seconds, models }) {
    const all = total(seconds) || 1;
    const nonzero = Object.entries(seconds).filter(([, value]) => value > 0);
    return h("details", {},
      h("summary", {}, t("stepsTitle")),
      h("ul.steps", {}, nonzero.map(([step, value]) =>
        h("li", {},
          h("span", {}, optionalText(`step_${step}`) ?? step),
          h("span.meter-bar", { "aria-hidden": "true" }, h("i", { style: { width: `${(100 * value) / all}%` } })),
          h("span", {}, `${number(1000 * value, value < 0.01 ? 1 : 0)} ms`)))),
      h("p", {}, t("models", { detector: models.detector, embedder: models.embedder })));
  }

  /** @param {Record<string, number>} seconds */
  const total = (seconds) => Object.values(seconds).reduce((sum, value) => sum + value, 0);

  store.on((now, before) => {
    if (now.answer !== before.answer || now.release !== before.release) show();
  });
  onLanguage(show);
  show();
}
