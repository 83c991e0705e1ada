# SPDX-License-Identifier: MIT
from __future__ import annotations

import pytest

from light_clients.bls import backend, compress_g1
from light_clients.bls.encoding import MODULUS
from light_clients.errors import PublicKeyRejected
from light_clients.ethereum.g1 import subtract


def xy(*secrets: int) -> bytes:
    return backend().secret_to_public(sum(secrets)).xy


def test_what_is_left_is_the_sum_of_the_others() -> None:
    assert subtract(xy(3, 5, 7, 11), [xy(5), xy(11)]) == backend().secret_to_public(10).compressed
    assert subtract(xy(3), []) == backend().secret_to_public(3).compressed


def test_a_point_may_meet_itself_and_infinity_on_the_way() -> None:
    # 2 - 1 - 1 is infinity, which a further key leaves again; 4 - (-4) doubles
    negated = xy(9)[:48] + (MODULUS - int.from_bytes(xy(9)[48:])).to_bytes(48)
    assert subtract(xy(2), [xy(1), xy(1), negated]) == backend().secret_to_public(9).compressed
    negated = xy(4)[:48] + (MODULUS - int.from_bytes(xy(4)[48:])).to_bytes(48)
    assert subtract(xy(4), [negated]) == compress_g1(xy(8))


@pytest.mark.parametrize("keys", [(9,), (4, 5), (1, 2, 6)])
def test_nobody_left_is_refused(keys: tuple[int, ...]) -> None:
    with pytest.raises(PublicKeyRejected, match="infinity"):
        subtract(xy(9), [xy(key) for key in keys])
