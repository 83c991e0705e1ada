# SPDX-License-Identifier: MIT
"""What a node means when it refuses a transaction.

There is no common language for it. EIP-1474 gives JSON-RPC's codes other meanings than Besu does (-32001 is
"resource not found" here and a used nonce there), gateways use the same codes for their rate limits, and
most nodes answer -32000 to everything. So a code counts only together with a word that goes with its meaning,
and words decide the rest. Their case, and whether they are written LIKE_THIS or LikeThis, tells nothing.

The table is of geth, Besu, Nethermind, Erigon, reth, GoQuorum and anvil, and of gateways before them. The
first row that fits counts. Whoever adds a row adds the node's very words to the table of cases of its test.

What is read here is a node's word: it may be wrong or a lie, and no wording proves that a transaction can
never be included. Whoever acts on it asks for the receipt and the proven nonce first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from relayer.chains.base import Refusal

#: A change from a small to a capital letter begins a word: `OldNonce`, `maxFeePerGas`.
_WORD_START: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_GAPS: Final = re.compile(r"[\s_]+")


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the table.

    Attributes:
        meaning: None where the node has the transaction.
        words: a pattern for the normalised message.
        codes: JSON-RPC's codes that it is read under; empty for any.
    """

    meaning: Refusal | None
    words: re.Pattern[str]
    codes: frozenset[int] = frozenset()


def _row(meaning: Refusal | None, *words: str, codes: tuple[int, ...] = ()) -> _Row:
    # A word begins where one of these begins: an "unknown transaction type" is no "known transaction".
    return _Row(meaning, re.compile(rf"\b(?:{'|'.join(words)})"), frozenset(codes))


_TABLE: Final = (
    # Besu's codes, with the word that no other meaning of the code goes with.
    _row(Refusal.NONCE_USED, "nonce too low", codes=(-32001,)),
    _row(Refusal.INVALID, "intrinsic gas exceeds", codes=(-32003,)),
    _row(Refusal.INVALID, "invalid signature", codes=(-32002,)),
    _row(Refusal.UNFUNDED, "upfront cost", codes=(-32004,)),
    _row(Refusal.TOO_MUCH_GAS, "transaction gas limit", codes=(-32005,)),
    _row(Refusal.NONCE_TOO_FAR, "nonce", codes=(-32006,)),
    _row(Refusal.NOT_ALLOWED, "sender account", codes=(-32007,)),
    _row(Refusal.BUSY, "initial sync", codes=(-32008,)),
    _row(Refusal.UNDERPRICED, "gas price", "base fee", "priority fee", codes=(-32009,)),
    _row(Refusal.TYPE_UNSUPPORTED, "invalid transaction type", codes=(-32602,)),
    # A gateway that counts requests says nothing of the transaction, only that it may be asked later.
    _row(
        Refusal.BUSY,
        "rate limit",
        "rate exceeded",
        "too many requests",
        "request limit",
        "request rate",
        "requests per second",
        "compute units per second",
        "daily limit",
    ),
    # The type comes before what is known: some name the type that they don't know.
    _row(
        Refusal.TYPE_UNSUPPORTED,
        "(?:transaction|tx) ?type[^,;]{0,40} not supported",
        "(?:transaction|tx) type not (?:enabled|allowed|activated)",
        "unsupported (?:transaction|tx)(?: |-)?type",
        "not supported (?:transaction|tx) ?type",
        "(?:invalid|unknown) (?:transaction|tx) ?type",
        "invalid type",
        "supporting this transaction type is not activated",
        "only legacy",
        "eip-?1559[^;]{0,140} not (?:be )?(?:supported|enabled|activated|allowed)",
        # A node without EIP-2718 takes the type for the beginning of RLP.
        r"rlp: expected (?:input )?list for types\.",
    ),
    _row(
        None,
        "already known",
        "known transaction",
        "(?:already|was) imported",
        "was already imported",
        "already (?:in|exists|present|pending)",
        "existing tx with same hash",
    ),
    # Numbers tell which of the two it is: the transaction's nonce may be below the account's, or above.
    _row(
        Refusal.NONCE_TOO_FAR,
        "nonce (?:is )?too (?:high|distant|far|big|large)",
        "nonce gap",
        "gapped-nonce",
        "nonce[^;]{0,60} is greater than",
        "higher than the (?:next|expected|current) nonce",
        "invalid transaction with a lower nonce",
    ),
    _row(
        Refusal.NONCE_USED,
        "nonce (?:is )?too low",
        "old nonce",
        "nonce[^;]{0,40} (?:already )?(?:been )?used",
        "nonce[^;]{0,40} is lower than",
        "nonce[^;]{0,40} is less than",
        # Without numbers it may mean either; whoever looks at the account's count finds a gap, too.
        "(?:invalid|incorrect|wrong) (?:transaction )?nonce",
        "correct nonce",
        "mined$",
    ),
    # Before what is too large, too low or not allowed in other senses.
    _row(
        Refusal.INVALID,
        "intrinsic gas (?:too low|exceeds)",
        "insufficient gas for floor data",
        "gas floor",
        "init ?code",
        "max init code",
        "max priority fee per gas (?:is )?(?:higher|greater|exceeds|above)",
        "(?:invalid|wrong|incorrect|mismatch\\w*) chain ?id",
        "chain ?id (?:not supported|mismatch|does not match)",
        "invalid (?:sender|signature)",
        "(?:failed|unable) to (?:resolve|recover) (?:the )?sender",
        "failed to decode",
        "typed transaction too short",
        "negative value",
        "gas uint64 overflow",
        "int256 overflow",
        "sender (?:is )?not an eoa",
        "sender is contract",
        "nonce has max value",
        # A chain whose gas must be free: the bytes stay wrong whatever else changes.
        "gas price not 0",
    ),
    _row(
        Refusal.TOO_LARGE,
        "oversized data",
        "rlp too long",
        "max tx size exceeded",
        "(?:transaction|tx|body|entity|payload|content length) (?:is )?too large",
        "(?:transaction|tx) size (?:exceeds|too)",
    ),
    _row(
        Refusal.TOO_MUCH_GAS,
        "exceeds (?:the )?block gas limit",
        "gas limit (?:is )?too high",
        "gas limit exceed",
        "intrinsic gas too high",
        "exceeds (?:the )?max(?:imum)? (?:transaction|tx) gas limit",
        "exceeds (?:the )?(?:transaction|tx) gas (?:limit )?cap",
    ),
    # A node's guard against a slip of its own users. The price is too *high* for it: to take this for too low
    # a price would make it worse. Blocks may hold the bytes and another node may take them, so they are not
    # INVALID: whoever runs the node has to allow more, or the price has to fall.
    _row(Refusal.NOT_ALLOWED, "fee[^;]{0,90} exceeds the configured cap", "fee ?cap exceeded"),
    _row(
        Refusal.UNFUNDED,
        "insufficient (?:funds|balance|sender balance|account balance)",
        "upfront cost",
        "not enough (?:funds|balance)",
        "(?:does not|doesn't) have enough (?:funds|balance)",
        "balance (?:is )?too low",
    ),
    _row(
        Refusal.BUSY,
        "(?:tx ?|transaction |sub-?)?pool (?:is )?(?:full|overflow)",
        "(?:tx ?|transaction )pool (?:is )?(?:full|overflow)",
        "(?:mempool|queue) (?:is )?full",
        "account limit exceeded",
        "limit reached for delegated",
        "future transaction tries to replace",
        "spammer",
        "(?:node|chain) is (?:still )?syncing",
        "try again later",
    ),
    _row(
        Refusal.UNDERPRICED,
        "(?:replacement )?(?:transaction )?underpriced",
        "replacement not allowed",
        "could not replace existing",
        "replaced by transaction with higher tip",
        "fee (?:per gas )?(?:is )?(?:too low|less than)",
        "fee cap (?:is )?(?:too low|less than|below)",
        "tip (?:cap )?(?:is )?(?:too low|less than|below)",
        "less than (?:the )?block base fee",
        "gas ?price (?:is )?(?:too low|below|less than|lower than)",
        "below (?:the )?(?:current|configured)? ?(?:minimum|base fee)",
        "lower than the minimum",
    ),
    _row(
        Refusal.NOT_ALLOWED,
        "not authori[sz]ed",
        "(?:does not|doesn't) have (?:the |transact )?permission",
        "no permission",
        "permission denied",
        "not (?:permitted|whitelisted)",
        "(?:not in|not on) the (?:allow|white) ?list",
        "account (?:is )?(?:not allowed|denied|blocked|blacklisted|suspended)",
        # Ours are always protected; a node that refuses others does so by its own rule, not the chain's.
        "only replay-protected",
    ),
)

#: Two nonces with their names, as some nodes tell them: the account's and the transaction's.
_ACCOUNT_AND_OWN: Final = re.compile(
    r"account has nonce of: (?P<account>\d+) tx has nonce of: (?P<own>\d+)"
    r"|got (?P<got>\d+), expected (?P<expected>\d+)"
)


def classify(code: int, message: str) -> Refusal | None:
    """Return what a node's refusal of a transaction means; None where it has the transaction already.

    Args:
        code: of JSON-RPC's error.
        message: its words.
    """
    words = _GAPS.sub(" ", _WORD_START.sub(" ", message)).lower()
    numbers = _ACCOUNT_AND_OWN.search(words)
    if numbers is not None:
        own, account = int(numbers["own"] or numbers["got"]), int(numbers["account"] or numbers["expected"])
        return Refusal.NONCE_USED if own < account else Refusal.NONCE_TOO_FAR
    for row in _TABLE:
        if (not row.codes or code in row.codes) and row.words.search(words):
            return row.meaning
    return Refusal.UNKNOWN
