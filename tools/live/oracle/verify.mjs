// SPDX-License-Identifier: MIT
// Lodestar's light client as a judge: one case a line on stdin, one verdict a line on stdout, in the same order.
//
//   case    {"config": {as the Beacon API's /config/spec}, "genesis_validators_root", "current_slot",
//            "trusted_root": root, or null where the bootstrap is trusted as it stands, "bootstrap": {"version", "data"},
//            "next_committee": {its JSON}, where it is trusted too,
//            "updates": [{"kind": "update" | "finality" | "optimistic", "version", "data"}]}
//   verdict {"bootstrap": null | reason, "updates": [null | reason, ...], "finalized": root, "optimistic": root}
//
// A reason is the text of the rejection, null means accepted. An update that is rejected changes nothing; where the bootstrap
// is, the rest is not looked at. The first line of output names the implementation of BLS and the preset (LODESTAR_PRESET).

import { createInterface } from "node:readline";
import bls from "@chainsafe/bls";
import { chainConfigFromJson, createBeaconConfig } from "@lodestar/config";
import { chainConfig as defaults } from "@lodestar/config/default";
import { LightclientSpec } from "@lodestar/light-client/spec";
import { computeSyncPeriodAtSlot, deserializeSyncCommittee } from "@lodestar/light-client/utils";
import { ACTIVE_PRESET } from "@lodestar/params";
import { ssz } from "@lodestar/types";

// The package does not export it, and no exported function does only this.
const { validateLightClientBootstrap } = await import(
  new URL("node_modules/@lodestar/light-client/lib/spec/validateLightClientBootstrap.js", import.meta.url).href
);

const KINDS = {
  update: ["LightClientUpdate", "onUpdate"],
  finality: ["LightClientFinalityUpdate", "onFinalityUpdate"],
  optimistic: ["LightClientOptimisticUpdate", "onOptimisticUpdate"],
};
// Cases share their committees; decompressing one key takes as long as the rest of a case.
const KEYS = new Map();
const decompress = bls.PublicKey.fromBytes.bind(bls.PublicKey);
bls.PublicKey.fromBytes = (given) => {
  const name = Buffer.from(given).toString("hex");
  if (!KEYS.has(name)) KEYS.set(name, decompress(given));
  return KEYS.get(name);
};

const hex = (bytes) => `0x${Buffer.from(bytes).toString("hex")}`;
const bytes = (text) => Uint8Array.from(Buffer.from(text.slice(2), "hex"));
const root = (header) => hex(ssz.phase0.BeaconBlockHeader.hashTreeRoot(header.beacon));

// Bellatrix changed nothing in these objects, and the package names no types for it. A type that is missing ends the
// process: it must not look like a verdict.
function typeOf(version, name) {
  const type = ssz[version === "bellatrix" ? "altair" : version]?.[name];
  if (!type) throw Error(`no type ${name} for ${version}`);
  return type;
}

function attempt(step) {
  try {
    step();
    return null;
  } catch (error) {
    return String(error?.message ?? error) || "rejected without a word";
  }
}

function judge(given) {
  const verdict = { bootstrap: null, updates: [], finalized: null, optimistic: null };
  const config = createBeaconConfig(
    { ...defaults, ...chainConfigFromJson(given.config) },
    bytes(given.genesis_validators_root),
  );
  let client;
  const bootstrapType = typeOf(given.bootstrap.version, "LightClientBootstrap");
  verdict.bootstrap = attempt(() => {
    const bootstrap = bootstrapType.fromJson(given.bootstrap.data);
    if (given.trusted_root !== null) validateLightClientBootstrap(config, bytes(given.trusted_root), bootstrap);
    client = new LightclientSpec(config, { allowForcedUpdates: false, updateHeadersOnForcedUpdate: false }, bootstrap);
    if (given.next_committee) {
      const period = computeSyncPeriodAtSlot(bootstrap.header.beacon.slot);
      const next = ssz.altair.SyncCommittee.fromJson(given.next_committee);
      client.store.syncCommittees.set(period + 1, deserializeSyncCommittee(next));
    }
  });
  if (verdict.bootstrap !== null) return verdict;
  for (const { kind, version, data } of given.updates) {
    const [name, method] = KINDS[kind];
    const type = typeOf(version, name);
    verdict.updates.push(attempt(() => client[method](given.current_slot, type.fromJson(data))));
  }
  verdict.finalized = root(client.store.finalizedHeader);
  verdict.optimistic = root(client.store.optimisticHeader);
  return verdict;
}

console.log(JSON.stringify({ bls: bls.implementation, preset: ACTIVE_PRESET }));
for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim()) console.log(JSON.stringify(judge(JSON.parse(line))));
}
