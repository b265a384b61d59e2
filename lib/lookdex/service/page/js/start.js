/** The start view: introduction, photo upload and samples. */

import { fill, h, icon } from "./dom.js";
import { current, onLanguage, t } from "./i18n.js";
import { HERO, SAMPLES } from "./samples.js";
import { arrangeTags } from "./tags.js";

/**
 * @param {import("./state.js").Store} store
 * @param {import("./ask.js").Asker} ask
 */
export function createStart(store, ask) {
  const place = h("section.start.hero", { "aria-labelledby": "hero" });
  const picker = fileInput({});
  const camera = fileInput({ capture: "environment" });
  document.body.append(h("div.unseen", {}, picker, camera)); // they outlive the start: “another photo” uses them too

  const resized = new ResizeObserver(() => {
    const frame = place.querySelector(".hero-photo");
    if (frame) arrangeTags(frame, [...frame.querySelectorAll(".box")]);
  });

  /** @param {Record<string, string>} more */
  function fileInput(more) {
    return h("input", {
      type: "file", accept: "image/*", tabindex: -1, "aria-hidden": "true", ...more,
      /** @param {Event} event */
      onchange: (event) => {
        const input = /** @type {HTMLInputElement} */ (event.target);
        const file = input.files?.[0];
        input.value = ""; // so that the same file may be chosen again
        if (file) ask.photo(file, file.name);
      },
    });
  }

  function show() {
    fill(
      place,
      h("div.hero-words", {},
        h("h1", { id: "hero" }, t("heroTitle")),
        h("p.lead", {}, t("heroText")),
        h("div.buttons", {},
          h("button.button.primary.large", { type: "button", onclick: () => picker.click() }, icon("photo"), t("pick")),
          h("button.button.large.shoot", { type: "button", onclick: () => camera.click() }, icon("camera"), t("shoot"))),
        h("p.hint", {}, h("span.only-desk", {}, t("dropHint")), h("span", {}, t("private"))),
        h("section.samples", { "aria-labelledby": "samples" },
          h("h2", { id: "samples" }, t("samples")),
          h("ul", {}, SAMPLES.map(sample)))),
      example(),
    );
  }

  /** An example photo with its objects marked. */
  function example() {
    const { file, width, height, boxes } = HERO;
    const frame = h("button.hero-photo", { type: "button", "aria-label": `${t("heroExample")}. ${t("sample", { what: HERO[current()] })}`, onclick: () => use(HERO) },
      h("img", { src: address(file), alt: "", width, height }),
      boxes.map(([x0, y0, x1, y1, en, ko], n) =>
        h("span.box", { "aria-hidden": "true", style: {
          left: `${(100 * x0) / width}%`, top: `${(100 * y0) / height}%`,
          width: `${(100 * (x1 - x0)) / width}%`, height: `${(100 * (y1 - y0)) / height}%`,
          "animation-delay": `${300 + 180 * n}ms`,
        } }, h("span.tag", {}, current() === "ko" ? ko : en))));
    resized.disconnect();
    resized.observe(frame);
    return frame;
  }

  /** @param {import("./samples.js").Sample} photo */
  function sample(photo) {
    return h("li", {},
      h("button.sample", { type: "button", "aria-label": t("sample", { what: photo[current()] }), title: photo[current()], onclick: () => use(photo) },
        h("img", { src: address(photo.file), alt: "", width: photo.width, height: photo.height })));
  }

  /** @param {import("./samples.js").Sample} photo */
  const use = (photo) => ask.sample(address(photo.file), photo.file);

  /** @param {string} file */
  const address = (file) => `page/samples/${file}`;

  onLanguage(show);
  show();
  return { element: place, pick: () => picker.click() };
}
