/** Problems that the page can show. */

/**
 * @typedef {'offline' | 'busy' | 'large' | 'kind' | 'empty' | 'decode' | 'photo' | 'noRelease' | 'query' | 'gone' | 'forbidden'
 *   | 'access' | 'timeout' | 'server'} ProblemKind
 */

export class Problem extends Error {
  /**
   * @param {ProblemKind} kind
   * @param {{status?: number, title?: string, detail?: string, reason?: string, retryAfter?: number | null}} [details] From the
   *   service: in English, for operators. `reason` says why a photo cannot be used.
   */
  constructor(kind, { status = 0, title = "", detail = "", reason = "", retryAfter = null } = {}) {
    super(detail || title || kind);
    this.kind = kind;
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.reason = reason;
    /** Seconds until a retry makes sense; null if the service does not say. */
    this.retryAfter = retryAfter;
  }

  /** Whether a retry would fail in the same way. */
  get lasts() {
    return ["large", "kind", "empty", "decode", "photo", "gone"].includes(this.kind);
  }
}

/** By the slug in a problem's type. @type {Record<string, ProblemKind>} */
const NAMES = { "bad-photo": "photo", "too-late": "timeout", "slow-upload": "timeout" };

/** By status, for other problems. @type {Record<number, ProblemKind>} */
const KINDS = {
  400: "query", 401: "access", 403: "forbidden", 404: "gone", 408: "timeout", 413: "large", 415: "kind",
  422: "query", 429: "busy", 503: "busy", 504: "timeout",
};

/**
 * The problem of a response: from its problem document (RFC 9457), else from its status.
 * @param {Response} response
 */
export async function problemOf(response) {
  const type = response.headers.get("content-type") ?? "";
  let body = { type: "", title: response.statusText, detail: "", reason: "" };
  if (type.includes("json")) {
    try {
      body = { ...body, ...(await response.json()) };
    } catch {
      // a malformed body: the status is enough
    }
  }
  const name = String(body.type).split(":").at(-1) ?? "";
  const wait = Number(response.headers.get("retry-after"));
  return new Problem(NAMES[name] ?? KINDS[response.status] ?? (response.status < 500 ? "query" : "server"), {
    status: response.status,
    title: String(body.title ?? ""),
    detail: String(body.detail ?? ""),
    reason: String(body.reason ?? ""),
    retryAfter: response.headers.has("retry-after") && Number.isFinite(wait) ? wait : null,
  });
}
