/** What went wrong, in words that help, with what can be done about it. */

import { fill, h, icon } from "./dom.js";
import { number, t } from "./i18n.js";

/** @typedef {import("./problem.js").Problem} Problem */

const MOST_WAITS = 3; // the page tries again by itself so many times, then leaves it to the shopper
let waits = 0;

/** A question was answered: the next busy service starts with fresh patience. */
export const calm = () => void (waits = 0);

/** @param {Problem} problem @returns {{title: string, text: string}} */
export function wordsOf(problem) {
  const { kind, detail, title } = problem;
  switch (kind) {
    case "offline":
      return { title: t("problem_offline"), text: t("problem_offline_text") };
    case "busy":
      return { title: t("problem_busy"), text: t("problem_busy_text") };
    case "timeout":
      return { title: t("problem_timeout"), text: t("problem_timeout_text") };
    case "kind":
      return { title: t("problem_kind"), text: detail || t("problem_kind_text") };
    case "decode":
      return { title: t("problem_kind"), text: t("problem_decode_text") };
    case "photo":
      return { title: t("problem_photo"), text: detail };
    case "empty":
      return { title: t("problem_empty"), text: t("problem_kind_text") };
    case "large":
      return { title: t("problem_large"), text: detail };
    case "noRelease":
      return { title: t("problem_noRelease"), text: t("problem_noRelease_text") };
    case "query":
      return { title: t("problem_query"), text: detail || title };
    case "gone":
      return { title: t("problem_gone"), text: detail };
    case "access":
    case "forbidden":
      return { title: t("problem_forbidden"), text: detail };
    default:
      return { title: t("problem_server"), text: detail || title };
  }
}

/**
 * @param {Problem} problem
 * @param {(() => void) | null} retry
 * @param {(() => void) | null} another Choose another photo.
 */
export function troublePanel(problem, retry, another) {
  const { title, text } = wordsOf(problem);
  const again = retry && h("button.button.primary", { type: "button", onclick: retry }, t("retry"));
  const panel = h("section.trouble", { role: "alert" },
    h("div.badge", {}, icon(problem.kind === "access" || problem.kind === "forbidden" ? "key" : "photo")),
    h("h2", {}, title),
    text && h("p", {}, text),
    h("div.buttons", {}, again, another && h("button.button", { type: "button", onclick: another }, icon("photo"), t("newPhoto"))),
    problem.status > 0 && h("p.trouble-code", {}, `${number(problem.status)} ${problem.title}`));
  if (problem.kind === "busy" && again && retry && problem.retryAfter !== null && waits < MOST_WAITS) {
    waits++;
    wait(again, retry, Math.max(1, Math.ceil(problem.retryAfter)), panel);
  }
  return panel;
}

/** Count down, then try again; unless the panel is gone. @param {Element} button @param {() => void} retry @param {number} seconds @param {Element} panel */
function wait(button, retry, seconds, panel) {
  fill(button, t("retryIn", { n: seconds }));
  const ticking = setInterval(() => {
    if (!panel.isConnected) return clearInterval(ticking);
    seconds--;
    if (seconds > 0) return fill(button, t("retryIn", { n: seconds }));
    clearInterval(ticking);
    retry();
  }, 1000);
}
