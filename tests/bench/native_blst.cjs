// SPDX-License-Identifier: MIT
// The native side of tests/bench/bls.py. First line in: {pubkeys, message, signature}, hex, whole committee's signature,
// and {absent, absentSignature}. Then a line "round N" for each round; a line out: milliseconds of N calls of each kind.
"use strict";

const readline = require("node:readline");
const path = require("node:path");

const blst = require(path.join(__dirname, "..", "..", "tools", "node_modules", "@chainsafe", "blst"));
const bytes = (hex) => Buffer.from(hex, "hex");

let kinds = null;

function prepare({ pubkeys, message, signature, absent, absentSignature }) {
  const keys = pubkeys.map((key) => blst.PublicKey.fromBytes(bytes(key), true));
  const present = keys.slice(absent);
  const signed = bytes(message);
  const verify = (some, raw) => () => blst.fastAggregateVerify(signed, some, blst.Signature.fromBytes(raw, true));
  kinds = {
    all: verify(keys, bytes(signature)),
    absent: verify(present, bytes(absentSignature)),
  };
  // A wrong pair must fail, or what is timed is no verification.
  if (verify(present, bytes(signature))()) throw new Error("native blst accepts a signature of others");
}

function time(call, count) {
  const taken = [];
  for (let i = 0; i < count; i++) {
    const start = process.hrtime.bigint();
    const held = call();
    taken.push(Number(process.hrtime.bigint() - start) / 1e6);
    if (!held) throw new Error("native blst rejects the signature");
  }
  return taken;
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  if (kinds === null) {
    prepare(JSON.parse(line));
    console.log("ready");
  } else {
    const count = Number(line.split(" ")[1]);
    console.log(JSON.stringify({ all: time(kinds.all, count), absent: time(kinds.absent, count) }));
  }
});
