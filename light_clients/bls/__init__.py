# SPDX-License-Identifier: MIT
"""BLS12-381 signatures as Ethereum's consensus uses them, behind one protocol (ADR 10)."""

from light_clients.bls.backends import PY_ECC, PYBLST, backend
from light_clients.bls.committees import CommitteeKeys, committee, committee_keys
from light_clients.bls.encoding import compress_g1, compress_g2, decompress_g1, decompress_g2
from light_clients.bls.protocol import DOMAIN_TAG, GROUP_ORDER, INFINITY_SIGNATURE, BlsBackend, PublicKey

__all__ = [
    "DOMAIN_TAG",
    "GROUP_ORDER",
    "INFINITY_SIGNATURE",
    "PYBLST",
    "PY_ECC",
    "BlsBackend",
    "CommitteeKeys",
    "PublicKey",
    "backend",
    "committee",
    "committee_keys",
    "compress_g1",
    "compress_g2",
    "decompress_g1",
    "decompress_g2",
]
