/** Error messages, with what the user can do. */

import { fill, h, icon } from "./dom.js";
import { t } from "./i18n.js";

/** @typedef {import("./problem.js").Problem} Problem */

const MAX_RETRIES = 3; // automatic retries; then the user decides
let retries = 0;

/** Reset the retry count after an answer. */
export const resetRetries = () => void (retries = 0);

/** Texts for the service's reasons for refusing a photo. @type {Record<string, import("./i18n.js").Word>} */
const PHOTO = {
  corrupt: "problem_corrupt_text", too_small: "problem_small_text", too_many_frames: "problem_frames_text",
  too_much_memory: "problem_anew_text", too_slow: "problem_anew_text",
};

/** The message for users: never the service's own detail, which is for operators. @param {Problem} problem @param {boolean} photo Whether the question has a photo. @returns {{title: string, text: string}} */
export function wordsOf({ kind, reason }, photo) {
  switch (reason === "empty" ? "empty" : kind) {
    case "offline":
      return { title: t("problem_offline"), text: t(photo ? "problem_offline_photo" : "problem_offline_text") };
    case "busy":
      return { title: t("problem_busy"), text: t("problem_busy_text") };
    case "timeout":
      return { title: t("problem_timeout"), text: t(photo ? "problem_timeout_photo" : "problem_timeout_text") };
    case "kind":
      return { title: t("problem_kind"), text: t("problem_kind_text") };
    case "decode":
      return { title: t("problem_kind"), text: t("problem_decode_text") };
    case "photo":
      return { title: t("problem_photo"), text: t(PHOTO[reason] ?? "problem_anew_text") };
    case "empty":
      return { title: t("problem_empty"), text: t("problem_empty_text") };
    case "large":
      return { title: t("problem_large"), text: t("problem_large_text") };
    case "noRelease":
      return { title: t("problem_noRelease"), text: t("problem_noRelease_text") };
    case "query":
      return { title: t("problem_query"), text: t("problem_query_text") };
    case "gone":
      return { title: t("problem_gone"), text: t("problem_gone_text") };
    case "access":
    case "forbidden":
      return { title: t("problem_forbidden"), text: t("problem_forbidden_text") };
    default:
      return { title: t("problem_server"), text: t(photo ? "problem_server_photo" : "problem_server_text") };
  }
}

/**
 * @param {Problem} problem
 * @param {(() => void) | null} retry
 * @param {{photo?: boolean, another?: () => void, toPhoto?: () => void, home?: () => void}} ways photo: whether the
 *   question has one. The others: actions to offer.
 */
export function troublePanel(problem, retry, { photo = false, another, toPhoto, home }) {
  const { title, text } = wordsOf(problem, photo);
  const again = retry && !problem.lasts && h("button.button.primary", { type: "button", onclick: retry }, t("retry"));
  const panel = h("section.trouble", { role: "alert" },
    h("div.badge", {}, icon(problem.kind === "access" || problem.kind === "forbidden" ? "key" : "photo")),
    h("h2", {}, title),
    text && h("p", {}, text),
    h("div.buttons", {}, again, another && h("button.button", { type: "button", onclick: another }, icon("photo"), t("newPhoto")),
      toPhoto && h("button.button", { type: "button", onclick: toPhoto }, icon("back"), t("backToPhoto")),
      home && problem.kind === "gone" && h("button.button", { type: "button", onclick: home }, t("startAnew"))),
    problem.detail && !problem.lasts && h("details.trouble-code", {}, h("summary", {}, t("details")),
      h("p", { lang: "en" }, [problem.status || null, problem.detail].filter(Boolean).join(" · "))));
  if (problem.kind === "busy" && again && retry && problem.retryAfter !== null && retries < MAX_RETRIES) {
    retries++;
    wait(again, retry, Math.max(1, Math.ceil(problem.retryAfter)), panel);
  }
  return panel;
}

/** Count down and retry, unless the panel is gone. @param {Element} button @param {() => void} retry @param {number} seconds @param {Element} panel */
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
