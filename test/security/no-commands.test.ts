/** Nothing here runs a command or code that somebody sends, and whose request it is stands in the matched route and the key: never in a Host or in how a path is written. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { testGateway, type TestGateway } from "../support/gateway.ts";
import { rawExchange } from "../support/raw-client.ts";
import { chat, recordingUpstream, type RecordingUpstream } from "../support/recording-upstream.ts";
import { importsOf, matches, sources, type Source } from "../tidy/source.ts";

/** Who may do what of it, and why. */
const EXEMPT: Readonly<Record<string, readonly (readonly [what: string, reason: string])[]>> = {
  "src/cli/verify-budgets.ts": [["node:child_process", "starts gateways of this very installation, by the operator's command, to put them to the test"]],
  "src/storage/queries.ts": [["node:worker_threads", "a thread of our own file for reports"]],
  "src/storage/query-worker.ts": [["node:worker_threads", "that file"]],
  "src/storage/checkpoint.ts": [["node:worker_threads", "a thread of our own file that tidies the ledger's log"]],
  "src/storage/checkpoint-worker.ts": [["node:worker_threads", "that file"]],
};
/** Modules by which commands or code are run. */
const MODULES = ["child_process", "vm", "worker_threads", "cluster", "repl", "inspector", "module", "wasi"];
/** Words by which they are, in code that is no comment or text. */
const WORDS: readonly (readonly [what: string, pattern: RegExp])[] = [
  ["eval", /\beval\s*[(?]/],
  ["Function of a text", /\bFunction\s*\(|\bnew\s+Function\b|\.constructor\s*\(/],
  ["a timer of a text", /\bset(?:Timeout|Interval|Immediate)\s*\(\s*["'`]/],
  ["WebAssembly", /\bWebAssembly\b/],
  ["native code", /\bprocess\s*\.\s*(?:binding|dlopen|_linkedBinding)\b|\bprocess\s*\[/],
  ["a module by a name that is made", /\bimport\s*\(\s*(?!["'])|\brequire\s*\(|\bgetBuiltinModule\b/],
];

const shipped = sources("src/**/*.ts").filter(({ isTest }) => !isTest);

function found(source: Source): readonly string[] {
  const modules = importsOf(source).filter(({ typeOnly }) => !typeOnly).flatMap(({ target }) => {
    const name = target.replace(/^node:/, "");
    return MODULES.includes(name) ? [`node:${name}`] : [];
  });
  return [...modules, ...WORDS.flatMap(([what, pattern]) => (matches(source, source.bare, pattern).length > 0 ? [what] : []))];
}

describe("what is shipped", () => {
  it("runs no command and no code but where that stands here with its reason", () => {
    assert.ok(shipped.length > 300);
    const seen = Object.fromEntries(shipped.map((source) => [source.file, found(source)] as const).filter(([, what]) => what.length > 0));
    assert.deepEqual(seen, Object.fromEntries(Object.entries(EXEMPT).map(([file, list]) => [file, list.map(([what]) => what)])));
  });

  it("would be found out: each way is known here", () => {
    const sample = (code: string): Source => ({ file: "src/x.ts", text: code, code, bare: code, isTest: false });
    for (const code of ['import { exec } from "node:child_process";', 'import vm from "vm";', "eval(text)", "eval?.(text)", "new Function(text)", "Function(text)()", "(() => 0).constructor(text)()", 'setTimeout("x", 1)', "await import(name)", "require(name)", "process.binding(x)", 'process["binding"]', "process.getBuiltinModule(x)"]) assert.ok(found(sample(code)).length > 0, code);
  });

  it("starts only itself, without a shell, and threads only of files beside", () => {
    const source = (file: string): Source => {
      const one = shipped.find((other) => other.file === file);
      assert.ok(one !== undefined);
      return one;
    };
    const { code } = source("src/cli/verify-budgets.ts");
    const calls = [...code.matchAll(/(?<!\.)\b(?:spawn|exec|execFile|fork|spawnSync|execSync)\w*\(([^,)]*)/g)].map(([, first]) => first);
    assert.deepEqual([...new Set(calls)], ["process.execPath"]);
    assert.ok(!/\bshell\s*:/.test(code));
    for (const file of Object.keys(EXEMPT).filter((one) => one.startsWith("src/storage"))) {
      for (const [, first] of source(file).code.matchAll(/new Worker\(([^)]*\))/g)) assert.match(first ?? "", /^new URL\((?:file|"\.\/[\w-]+\.(?:ts|js)"), import\.meta\.url\)$/);
      assert.ok(!/\beval\s*:/.test(source(file).code), file);
    }
    // Nothing that serves requests comes near the commands, and the mailer is never told to run a program.
    for (const one of shipped.filter(({ file }) => !file.startsWith("src/cli/") && file !== "src/index.ts")) {
      assert.deepEqual(importsOf(one).filter(({ target }) => target.startsWith("src/cli/")).map(({ target }) => target), [], one.file);
      assert.ok(!/\bsendmail\s*:/.test(one.bare), one.file);
    }
  });
});

describe("the gateway's port", () => {
  let upstream: RecordingUpstream;
  let gateway: TestGateway;
  before(async () => {
    upstream = await recordingUpstream(chat);
    gateway = await testGateway(`version: 1\nkeys: [{ name: app, key: app-key-0123456789abcdef }]\nproviders:\n  near: { type: openai-compatible, base_url: "${upstream.origin}/v1", api_key: upstream-key }\n`);
  });
  after(async () => {
    await gateway.close();
    await upstream.close();
  });

  const BODY = '{"model":"near/m","messages":[{"role":"user","content":"hi"}]}';
  const HOSTS = ["127.0.0.1", "localhost", "evil.example", "127.0.0.1.evil.example", "healthz", "/healthz", "127.0.0.1/healthz?", "localhost#", "a@localhost", "[::1]", "x:99999", "127.0.0.1, evil.example", "", "..", "%2e%2e"];
  const PATHS = [
    "/v1/models", "/v1/chat/completions", "//v1/models", "///v1//models", "/v1//chat/completions", "/v1/./models", "/v1/../v1/models", "/healthz/../v1/models", "/healthz/..%2fv1/models", "/healthz%2f..%2fv1%2fmodels", "/readyz/../v1/chat/completions", "/v1/%6dodels", "/v1%2fmodels",
    "/v1/%2e%2e/models", "/v1/models;/healthz", "/healthz;/v1/models", "/v1/models%00", "/v1/models%00/healthz", "/v1/models?/healthz", "/v1\\models", "/\\v1/models", "/V1/MODELS", "/admin/v1/teams", "//admin/v1/teams", "/v1/../admin/v1/teams", "/metrics", "/healthz/metrics", "/..", "/../", "/%2e%2e/%2e%2e/etc/passwd", "/v1/files/..%2f..%2fv1%2fmodels", "/model/..%2f..%2fx/converse", "/.", "/%", "/%zz", "/v1/models/",
  ];

  it("serves nobody without the key, by whatever Host and path", async () => {
    const port = gateway.port;
    const statusOf = async (method: string, target: string, host: string, more = ""): Promise<number | undefined> =>
      (await rawExchange(port, `${method} ${target} HTTP/1.1\r\nhost: ${host}\r\n${more}content-type: application/json\r\ncontent-length: ${method === "POST" ? BODY.length : 0}\r\nconnection: close\r\n\r\n${method === "POST" ? BODY : ""}`, { answers: 1 })).answers[0]?.status;
    let asked = 0;
    for (const host of HOSTS) {
      // Every path by its usual name, and some of them by every odd one.
      for (const path of host === "127.0.0.1" ? PATHS : PATHS.slice(0, 12)) {
        for (const method of ["GET", "POST"]) {
          const status = await statusOf(method, path, host);
          assert.ok([400, 401, 404].includes(status ?? 0), `${method} ${path} at ${host}: ${status}`);
          asked++;
        }
      }
    }
    for (const target of ["http://127.0.0.1/v1/models", "http://evil.example/healthz/../v1/models", "HTTP://localhost//v1/chat/completions", "*", "v1/models", "http://healthz/v1/models"]) assert.ok([400, 401, 404].includes((await statusOf("POST", target, "localhost")) ?? 0), target);
    for (const more of ["x-forwarded-host: localhost\r\n", "x-original-url: /healthz\r\n", "x-rewrite-url: /healthz\r\n", "x-forwarded-for: 127.0.0.1\r\n", "forwarded: for=127.0.0.1;host=localhost\r\n", "x-http-method-override: OPTIONS\r\n", "x-spillway-key: app\r\n"]) assert.equal(await statusOf("POST", "/v1/chat/completions", "localhost", more), 401, more);
    assert.ok(asked > 350, String(asked));
    assert.equal(upstream.calls.length, 0, "and nobody was called");
    assert.equal(await statusOf("POST", "/v1/chat/completions", "evil.example", "authorization: Bearer app-key-0123456789abcdef\r\n"), 200, "with the key the Host is nothing");
  });
});
