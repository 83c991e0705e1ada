// SPDX-License-Identifier: MIT
// Some of the client's ports open on every address, whatever its options say. Loaded before it, this keeps all of them on
// this machine.
"use strict";
const net = require("node:net");
const { listen } = net.Server.prototype;
net.Server.prototype.listen = function (first, second, ...rest) {
  const port = Number(first);
  if (first === null || typeof first === "object" || !Number.isInteger(port)) return listen.call(this, first, second, ...rest);
  const others = typeof second === "string" ? rest : [second, ...rest];
  return listen.call(this, port, "127.0.0.1", ...others.filter((word) => word !== undefined));
};
