// SPDX-License-Identifier: MIT
// The client always opens its peer-to-peer port on every address. Loaded before it, this keeps every port on this machine.
"use strict";
const net = require("node:net");
const { listen } = net.Server.prototype;
net.Server.prototype.listen = function (...words) {
  return listen.apply(this, words.map((word) => (word === "0.0.0.0" || word === "::" ? "127.0.0.1" : word)));
};
