// The Solidity compiler as forge expects it, around npm's WebAssembly build: standard JSON in, standard JSON out.
// forge puts every source inline, so the path options that it passes have nothing to do here.
"use strict";

const { Worker, isMainThread, parentPort, workerData } = require("node:worker_threads");

// Paths are those under solidity/. What tests share, test/**/support/, is compiled as it was asked for.
const TEST = /^test\/.*\.t\.sol$/;
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
  process.stdout.write(JSON.stringify(merge(await Promise.all(split(JSON.parse(await readAll(process.stdin))).map(compile)))));
}

// What a test contract costs is nobody's concern, and optimising them all took ten times as long as all that ships: they
// go through the plain code generator, at the same time as the rest, which is compiled as it was asked for. Both parts
// know all sources, so neither changes a byte for the other's sake.
function split(input) {
  const asked = Object.entries(input.settings.outputSelection);
  const tests = asked.filter(([file]) => TEST.test(file));
  const others = asked.filter(([file]) => !TEST.test(file));
  const part = (selected, settings) => ({
    ...input,
    settings: { ...input.settings, ...settings, outputSelection: Object.fromEntries(selected) },
  });
  if (tests.length === 0) return [input];
  const plain = part(tests, { viaIR: false, optimizer: { enabled: false } });
  return others.length === 0 ? [plain] : [part(others, {}), plain];
}

function merge(outputs) {
  const errors = new Map(outputs.flatMap((output) => output.errors ?? []).map((error) => [error.formattedMessage, error]));
  const merged = { contracts: {}, sources: {}, errors: [...errors.values()] };
  for (const output of outputs) {
    Object.assign(merged.contracts, output.contracts);
    Object.assign(merged.sources, output.sources);
  }
  return merged;
}

function compile(input) {
  return new Promise((resolve, reject) => {
    // The IR pipeline recurses deeper than the main thread's stack; a worker's stack can be chosen.
    const worker = new Worker(__filename, { workerData: JSON.stringify(input), resourceLimits: { stackSizeMb: 64 } });
    worker.once("message", (output) => resolve(JSON.parse(output)));
    worker.once("error", reject);
  });
}

if (isMainThread) {
  main(process.argv.slice(2)).catch((error) => fail(`the compiler stopped: ${error.stack ?? error}`));
} else {
  const notInline = (name) => ({ error: `${name} was not given inline` });
  parentPort.postMessage(loadCompiler().compile(workerData, { import: notInline }));
}
