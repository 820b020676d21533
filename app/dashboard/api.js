// Talks REST. The key lives in this tab's session storage and travels only in the Authorization header.

const STORED = "encoder-manager-key";

export class Problem extends Error {
  constructor(status, document) {
    super(document.detail ?? document.title ?? `The server answered ${status}`);
    this.status = status;
    this.code = document.code ?? "unknown";
    this.hint = document.hint ?? "";
    this.errors = document.errors ?? [];
  }
}

export const key = {
  /** From a one-time sign-in link (`#key=`), which is wiped from the address at once, or from this tab. */
  find() {
    const given = new URLSearchParams(location.hash.slice(1)).get("key");
    if (given) {
      history.replaceState(null, "", location.pathname);
      sessionStorage.setItem(STORED, given);
    }
    return sessionStorage.getItem(STORED);
  },
  keep: (value) => sessionStorage.setItem(STORED, value),
  forget: () => sessionStorage.removeItem(STORED),
};

/** One call; resolves to the answer, or rejects with a Problem. */
export async function call(method, path, { body, headers = {} } = {}) {
  const response = await fetch(`/api/v1${path}`, {
    method,
    headers: {
      Authorization: `Bearer ${sessionStorage.getItem(STORED) ?? ""}`,
      ...(body ? { "Content-Type": "application/json" } : {}),
      ...headers,
    },
    body: body ? JSON.stringify(body) : undefined,
    cache: "no-store",
    credentials: "omit",
  }).catch(() => {
    throw new Problem(0, { detail: "The server cannot be reached.", code: "unreachable" });
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(response.status, answer);
  return answer;
}

export const get = (path) => call("GET", path);
