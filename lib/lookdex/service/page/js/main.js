/** Entry point: builds the page and switches between its views. */

import { release } from "./api.js";
import { createAsker } from "./ask.js";
import { h } from "./dom.js";
import { acceptPhotos } from "./drop.js";
import { createFooter } from "./footer.js";
import { watchRelease } from "./fresh.js";
import { createHeader } from "./header.js";
import { markDocument, onLanguage, t } from "./i18n.js";
import { createOver } from "./over.js";
import { Problem } from "./problem.js";
import { createResults } from "./results.js";
import { createStage } from "./stage.js";
import { createStart } from "./start.js";
import { START, createStore } from "./state.js";
import { queryIn, createTrail } from "./trail.js";
import { resetRetries, troublePanel, wordsOf } from "./trouble.js";

/** @typedef {import("./state.js").State} State */

const place = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));

const store = createStore(START);
const trail = createTrail(store);
const ask = createAsker(store, trail);
const main = place("main");
const start = createStart(store, ask);
const results = createResults(store, ask, start.pick);
const stage = createStage(store, ask, start.pick, results.reveal);
const warning = h("div.warning");

createHeader(place("top"), store, ask);
createFooter(place("foot"), store, ask);
watchRelease(store);
createOver(store, ask);
acceptPhotos(place("veil"), ask);

/** @param {State} state */
function arrange({ view }) {
  document.body.dataset.view = view;
  if (view === "start") main.replaceChildren(warning, start.element);
  else if (view === "photo") main.replaceChildren(h("div.bench", {}, stage.element, results.element));
  else main.replaceChildren(h("div.bench.words-only", {}, results.element));
}

/** Announce changes to screen readers. @param {State} now @param {State} before */
function speak(now, before) {
  const say = (/** @type {string} */ text) => (place("spoken").textContent = text);
  if (now.busy !== before.busy && now.busy) say(t(now.busy === "photo" ? "searching" : "searchingText"));
  else if (now.slow && !before.slow) say(t("slow"));
  else if (now.trouble && now.trouble !== before.trouble) say(wordsOf(now.trouble.problem, now.view === "photo").title);
  else if (now.answer && now.answer !== before.answer) say(found(now));
  else if (now.drawn?.lane && now.drawn !== before.drawn) say(t("foundProducts", { n: now.drawn.lane.matches.length }));
}

/** @param {State} state */
function found({ view, answer }) {
  if (view === "words") return t("foundProducts", { n: answer?.objects[0]?.matches.length ?? 0 });
  return answer?.no_object ? t("foundNone") : t("found", { n: answer?.objects.length ?? 0 });
}

/** Errors on the start view: an unusable file, a service without a catalogue. @param {State} state */
function warn({ view, trouble }) {
  if (view !== "start") return;
  warning.replaceChildren(...(trouble ? [troublePanel(trouble.problem, trouble.retry, {})] : []));
}

store.on((now, before) => {
  if (now.view !== before.view) arrange(now);
  if (now.trouble !== before.trouble) warn(now);
  if (now.answer !== before.answer && now.answer) resetRetries();
  document.body.classList.toggle("reading", now.busy === "reading");
  speak(now, before);
});
onLanguage(() => {
  skip();
  warn(store.get());
});

function skip() {
  for (const element of document.querySelectorAll("[data-words]")) {
    element.textContent = t(/** @type {any} */ (element).dataset.words);
  }
}

async function loadRelease() {
  try {
    store.set({ release: await release() });
  } catch (error) {
    if (store.get().view !== "start" || !(error instanceof Problem)) return;
    const problem = error.status === 503 ? new Problem("noRelease", error) : error;
    store.set({ trouble: { problem, retry: () => void loadRelease() } });
  }
}

markDocument();
skip();
arrange(store.get());
trail.follow(ask);
const query = queryIn(location.search);
if (query) ask.resume(query);
loadRelease();
