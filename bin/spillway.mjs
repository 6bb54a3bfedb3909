#!/usr/bin/env node
// Starts the command line with a Node.js that can run it. This file alone must be readable by an old Node.js: where the
// one at hand is too old, the build of Node.js 24 that the package brings along takes over.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import module, { createRequire } from "node:module";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

var MAJOR = 24;
var MINOR = 15;
var built = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
var source = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
// A clone runs what it holds, not what was built of it some time ago; the package holds no sources.
var main = existsSync(source) ? source : built;

if (!existsSync(main)) {
  process.stderr.write("spillway: neither dist/ nor src/ is here. Run `npm run build` in a clone, or install the package again.\n");
  process.exitCode = 1;
} else if (isNewEnough(process.versions.node)) {
  endWithShell();
  // As if it had been started itself: argv and import.meta.main are what they would be then.
  process.argv[1] = main;
  module.runMain(main);
} else {
  var node = bundledNode();
  if (node === null) {
    process.stderr.write(
      "spillway: needs Node.js " + MAJOR + "." + MINOR + " or newer; this is " + process.versions.node + ".\n" +
        "The package usually brings one along; here it is missing (" + process.platform + "-" + process.arch + ").\n" +
        "Either install Node.js " + MAJOR + ", or install spillway without --omit=optional.\n",
    );
    process.exitCode = 1;
  } else {
    endWithShell();
    hand(node);
  }
}

/** Under npx a shell stands between npm and us: it takes the SIGTERM that npm passes on, and dies without a word. Its end is ours. */
function endWithShell() {
  if (process.env.npm_command !== "exec") return;
  var shell = process.ppid;
  var timer = setInterval(function () {
    if (process.ppid === shell) return;
    clearInterval(timer);
    process.kill(process.pid, "SIGTERM");
  }, 250);
  timer.unref();
}

function isNewEnough(version) {
  var parts = version.split(".").map(Number);
  return parts[0] > MAJOR || (parts[0] === MAJOR && parts[1] >= MINOR);
}

/** The path of the Node.js that came as an optional dependency, or null. */
function bundledNode() {
  var require = createRequire(import.meta.url);
  var names = ["node-" + process.platform + "-" + process.arch, "node-bin-" + process.platform + "-" + process.arch];
  for (var i = 0; i < names.length; i += 1) {
    try {
      var manifest = require.resolve(names[i] + "/package.json");
      var major = Number(JSON.parse(readFileSync(manifest, "utf8")).version.split(".")[0]);
      var binary = manifest.slice(0, -"package.json".length) + "bin/node";
      if (major >= MAJOR && existsSync(binary)) return binary;
    } catch (error) {
      // Not installed under this name; the next one may be.
      if (error.code !== "MODULE_NOT_FOUND" && error.code !== "ERR_MODULE_NOT_FOUND") throw error;
    }
  }
  return null;
}

/** Let the other Node.js do it, pass signals on, and end as it ends. */
function hand(binary) {
  var child = spawn(binary, [main].concat(process.argv.slice(2)), { stdio: "inherit" });
  var forward = function (signal) {
    // A terminal sends Ctrl-C to both; sent twice it would mean "at once".
    if (signal === "SIGINT" && process.stdin.isTTY) return;
    child.kill(signal);
  };
  ["SIGINT", "SIGTERM", "SIGHUP"].forEach(function (signal) {
    process.on(signal, forward);
  });
  child.on("error", function (error) {
    process.stderr.write("spillway: cannot run " + binary + ": " + error.message + "\n");
    process.exitCode = 1;
  });
  child.on("exit", function (code, signal) {
    process.exitCode = code === null ? 128 + (constants.signals[signal] || 0) : code;
  });
}
