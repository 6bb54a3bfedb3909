/** The way to the process that keeps the budgets: small JSON calls over connections that stay open, each bounded in time and size. */
import { Agent as HttpAgent, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Json } from "../wire/json.ts";
import { withoutPieces } from "../wire/pieces.ts";

const TIMEOUT_MS = 5_000;
const ANSWER_BYTES_MAX = 64 << 20;

export class AuthorityClient {
  readonly #url: URL;
  readonly #token: string;
  readonly #agent: HttpAgent;

  /** `url`: the authority's admin port, `http://host:8485`. */
  constructor(url: string, token: string) {
    this.#url = new URL(url);
    this.#token = token;
    this.#agent = this.#url.protocol === "https:" ? new HttpsAgent({ keepAlive: true, maxSockets: 4 }) : new HttpAgent({ keepAlive: true, maxSockets: 4 });
  }

  /** The JSON that it answers; undefined for "nothing new" (204). Rejects with what went wrong. */
  call(method: "GET" | "POST", path: string, body: Json | null): Promise<Json | undefined> {
    const text = body === null ? null : JSON.stringify(body);
    const send = this.#url.protocol === "https:" ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const request = send(
        new URL(path, this.#url),
        {
          method,
          agent: this.#agent,
          timeout: TIMEOUT_MS,
          headers: {
            authorization: `Bearer ${this.#token}`,
            accept: "application/json",
            ...(text === null ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) }),
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          let bytes = 0;
          response.on("data", (chunk: Buffer) => {
            bytes += chunk.length;
            if (bytes > ANSWER_BYTES_MAX) response.destroy(new Error("the authority's answer is too large"));
            else chunks.push(chunk);
          });
          response.on("error", reject);
          response.on("end", () => {
            const { statusCode = 0 } = response;
            const answer = Buffer.concat(chunks).toString("utf8");
            if (statusCode === 204) return resolve(undefined);
            if (statusCode !== 200) return reject(new Error(`the authority answers ${statusCode}: ${withoutPieces(answer, this.#token).slice(0, 200)}`));
            try {
              resolve(JSON.parse(answer) as Json);
            } catch {
              reject(new Error("the authority's answer is no JSON"));
            }
          });
        },
      );
      request.on("timeout", () => request.destroy(new Error(`no answer within ${TIMEOUT_MS / 1_000} s`)));
      request.on("error", reject);
      request.end(text);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
