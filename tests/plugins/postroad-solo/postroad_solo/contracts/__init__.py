# SPDX-License-Identifier: MIT
"""The compiled light client, `SoloLightClient.json`, made from solidity/ when the distribution is built."""
