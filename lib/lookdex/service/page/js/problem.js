/** What can go wrong, as the page tells it. */

/**
 * @typedef {'offline' | 'busy' | 'large' | 'kind' | 'empty' | 'decode' | 'photo' | 'noRelease' | 'query' | 'gone' | 'forbidden'
 *   | 'access' | 'timeout' | 'server'} ProblemKind
 */

export class Problem extends Error {
  /**
   * @param {ProblemKind} kind
   * @param {{status?: number, title?: string, detail?: string, reason?: string, retryAfter?: number | null}} [told] By the
   *   service: in English, for who runs it; `reason` names why a photo cannot be used.
   */
  constructor(kind, { status = 0, title = "", detail = "", reason = "", retryAfter = null } = {}) {
    super(detail || title || kind);
    this.kind = kind;
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.reason = reason;
    /** Seconds after which another try makes sense; null when the service does not say. */
    this.retryAfter = retryAfter;
  }

  /** To ask the same again would end the same. */
  get lasts() {
    return ["large", "kind", "empty", "decode", "photo", "gone"].includes(this.kind);
  }
}

/** By the name in a problem's type. @type {Record<string, ProblemKind>} */
const NAMES = { "bad-photo": "photo", "too-late": "timeout", "slow-upload": "timeout" };

/** By status, for the others. @type {Record<number, ProblemKind>} */
const KINDS = {
  400: "query", 401: "access", 403: "forbidden", 404: "gone", 408: "timeout", 413: "large", 415: "kind",
  422: "query", 429: "busy", 503: "busy", 504: "timeout",
};

/**
 * The problem that a response tells: RFC 9457 where it is one, else what its status says.
 * @param {Response} response
 */
export async function problemOf(response) {
  const type = response.headers.get("content-type") ?? "";
  let told = { type: "", title: response.statusText, detail: "", reason: "" };
  if (type.includes("json")) {
    try {
      told = { ...told, ...(await response.json()) };
    } catch {
      // a body that is not what its type says: the status still tells enough
    }
  }
  const name = String(told.type).split(":").at(-1) ?? "";
  const wait = Number(response.headers.get("retry-after"));
  return new Problem(NAMES[name] ?? KINDS[response.status] ?? (response.status < 500 ? "query" : "server"), {
    status: response.status,
    title: String(told.title ?? ""),
    detail: String(told.detail ?? ""),
    reason: String(told.reason ?? ""),
    retryAfter: response.headers.has("retry-after") && Number.isFinite(wait) ? wait : null,
  });
}
