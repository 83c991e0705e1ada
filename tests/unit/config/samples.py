# SPDX-License-Identifier: MIT
"""A whole configuration that is right, to be read or to be spoiled."""

from __future__ import annotations

from relayer import config

GATEWAY = "0x" + "11" * 20
GENESIS = "0x" + "22" * 32
VALIDATOR = "0x" + "33" * 20
GOOD = f"""\
[keys]
directory = "keystores"
password_env = "POSTROAD_PASSWORD"

[batch]
max_gas_share = 0.25

[chains.court]
chain = "eip155:41"
rpc = ["http://user:hunter2@127.0.0.1:8545/key/${{RPC_KEY}}"]
gateway = "{GATEWAY}"
genesis_hash = "{GENESIS}"
keys = ["relayer"]
max_fee_gwei = 1.1
max_spend_ether_per_day = 0.3

[chains.court.consensus]
kind = "bft"
protocol = "qbft"

[chains.court.consensus.bootstrap]
height = 17
timestamp = 1700000000
validators = ["{VALIDATOR}"]

[chains.port]
chain = "eip155:42"
rpc = ["https://port.example"]
websocket = ["wss://port.example/ws"]

[chains.port.consensus]
kind = "bft"
protocol = "ibft2"

[[lanes]]
source = "court"
destination = "port"
"""


ENVIRONMENT = {"RPC_KEY": "s3cret"}


def parse(text: str) -> config.Config:
    return config.parse(text, environment=ENVIRONMENT)
