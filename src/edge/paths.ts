/** Which endpoint a path means, whatever base URL a client was given. */

export type EndpointName = "chat" | "embeddings" | "models" | "model" | "healthz" | "readyz" | "root";
export interface Target {
  readonly endpoint: EndpointName | null;
  /** Model id of `/v1/models/{id}`, decoded once. */
  readonly model: string;
}

const KNOWN: Readonly<Record<string, EndpointName>> = {
  "/chat/completions": "chat",
  "/embeddings": "embeddings",
  "/models": "models",
};

/** Resolve a path without its query. `/v1` may be absent or doubled, a trailing slash is ignored. */
export function targetOf(path: string): Target {
  switch (path) {
    case "/v1/chat/completions":
      return { endpoint: "chat", model: "" };
    case "/healthz":
      return { endpoint: "healthz", model: "" };
    case "/readyz":
      return { endpoint: "readyz", model: "" };
    case "/":
      return { endpoint: "root", model: "" };
    default:
      return aliasOf(path);
  }
}

function aliasOf(path: string): Target {
  let rest = path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
  while (rest.startsWith("/v1/")) rest = rest.slice(3);
  const known = KNOWN[rest];
  if (known !== undefined) return { endpoint: known, model: "" };
  // Ids contain "/" and ":"; a ":verb" suffix belongs to another surface.
  if (rest.startsWith("/models/") && rest.length > 8) {
    try {
      return { endpoint: "model", model: decodeURIComponent(rest.slice(8)) };
    } catch {
      // Not valid percent-encoding, so no id of ours.
      return { endpoint: null, model: "" };
    }
  }
  return { endpoint: null, model: "" };
}
