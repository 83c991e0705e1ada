// The compiler is npm's, so that Hardhat fetches none from a host of its own.
import { createRequire } from "node:module";

const { resolve } = createRequire(import.meta.url);

export default {
  solidity: { compilers: [{ version: "0.8.20", path: resolve("solc/soljson.js") }] },
};
