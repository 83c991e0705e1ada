// The Solidity compiler as forge expects it, around npm's WebAssembly build: standard JSON in, standard JSON out.
// forge puts every source inline, so the path options that it passes have nothing to do here.
"use strict";

const { Worker, isMainThread, parentPort, workerData } = require("node:worker_threads");

const IGNORED_WITH_VALUE = new Set(["--base-path", "--include-path", "--allow-paths"]);

function fail(message) {
  process.stderr.write(`solc shim: ${message}\n`);
  process.exitCode = 1;
}

function loadCompiler() {
  return require("solc/wrapper")(require("solc/soljson.js"));
}

async function readAll(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}

async function main(args) {
  let wanted = null;
  for (let i = 0; i < args.length; i++) {
    const [name] = args[i].split("=", 1);
    if (name === "--version" || name === "--standard-json") wanted = name;
    else if (IGNORED_WITH_VALUE.has(name)) i += args[i].includes("=") ? 0 : 1;
    else if (args[i] !== "-") return fail(`option ${args[i]} is not supported; known: --version, --standard-json`);
  }
  if (wanted === "--version") {
    process.stdout.write(
      `solc, the solidity compiler commandline interface\nVersion: ${loadCompiler().version()}\n`,
    );
    return;
  }
  if (wanted === null) return fail("expected --version or --standard-json");
  const input = await readAll(process.stdin);
  // The IR pipeline recurses deeper than the main thread's stack; a worker's stack can be chosen.
  const worker = new Worker(__filename, { workerData: input, resourceLimits: { stackSizeMb: 64 } });
  worker.once("message", (output) => process.stdout.write(output));
  worker.once("error", (error) => fail(`the compiler stopped: ${error.stack ?? error}`));
}

if (isMainThread) {
  main(process.argv.slice(2));
} else {
  const notInline = (name) => ({ error: `${name} was not given inline` });
  parentPort.postMessage(loadCompiler().compile(workerData, { import: notInline }));
}
