# SPDX-License-Identifier: MIT
"""BLS12-381 signatures as Ethereum's consensus uses them: keys in G1, signatures in G2 (ADR 10).

How it works
    `protocol` has the rules once, as the class `BlsBackend`: what is refused, and what verifies what. A
    backend does only the arithmetic: `fast` by blst, which consensus clients run; `reference` by py_ecc, in
    pure Python and by other authors, where blst has no wheel, and to compare with. `backends` gives a backend
    by its name. `encoding` turns points into bytes and back without any library. `committees` keeps the keys
    of sync committees decompressed, for that takes longer than a signature.

Read `protocol` first; callers need `backend()` and `committee()`.
"""

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
