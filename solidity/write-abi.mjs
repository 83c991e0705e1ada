// SPDX-License-Identifier: MIT
// npm runs this before it packs: abi/ gets the ABI of every contract that ships, from the committed artifacts.
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";

const artifacts = new URL("../relayer/contracts/cancun/", import.meta.url);
const target = new URL("abi/", import.meta.url);

rmSync(target, { recursive: true, force: true });
mkdirSync(target);
for (const name of readdirSync(artifacts)) {
  const { abi } = JSON.parse(readFileSync(new URL(name, artifacts), "utf8"));
  writeFileSync(new URL(name, target), JSON.stringify(abi, null, 1) + "\n");
}
