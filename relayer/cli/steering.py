# SPDX-License-Identifier: MIT
"""Replaces or cancels a transaction of the journal where no daemon runs, as the daemon would, and no more.

One of a deployment's manifest is replaced or cancelled as `endpoint deploy` would.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from light_clients.errors import Rejection
from relayer.chains.base import Address
from relayer.chains.evm.open_evm import open_evm
from relayer.cli.exit_codes import ExitCode
from relayer.cli.failures import CommandFailed
from relayer.cli.options import unlock
from relayer.cli.output import doing
from relayer.consensus.open_chain import OpenChain, open_chain
from relayer.endpoint.manifest_store import ManifestStore
from relayer.errors import ConfigError, KeyUnavailable, Retryable
from relayer.journal.rows import TransactionState
from relayer.journal.store import now_micros
from relayer.keys import KeyStore
from relayer.pipeline.rules.story import outcome_steps
from relayer.sending.price import PricePolicy
from relayer.sending.quiet_log import quiet_log
from relayer.sending.sender import Sender
from relayer.sending.store import JournalStore

if TYPE_CHECKING:
    from relayer.chains.base import Chain
    from relayer.config import Config
    from relayer.consensus.base import ProvenAccount
    from relayer.endpoint.manifest import Manifest
    from relayer.journal.rows import StoredChain, StoredTransaction, Wish
    from relayer.journal.store import Journal
    from relayer.keys import Key
    from relayer.sending.transaction import Outcomes, Transaction

_POLL_S: Final = 0.5
_FINISH_S: Final = 5.0
_FOLLOWING: Final = "Signing it again, and following it until it is in a block"


async def steer(
    config: Config, journal: Journal, name: str, stored: StoredTransaction, wish: Wish, timeout_s: float
) -> StoredTransaction:
    """Do what an operator wishes, and follow the transaction until it is in a block or the time is over.

    Args:
        config: names the chain's providers, keys and limits.
        journal: open for writing.
        name: of the chain.
        stored: the transaction, which is open.
        wish: what to do.
        timeout_s: how long to follow it.

    Returns:
        The transaction, as the journal has it afterwards.

    Raises:
        ConfigError: the chain or its keys are not configured, or it is another endpoint by now.
        Retryable: it can't be signed again: a limit, the account's funds, or nobody answers.
        CommandFailed: what it signed can't be read.
    """
    signers = [unlock(config, key) for key in config.chain(name).keys]
    opened = open_chain(config, name, signers)
    try:
        sender = await _recover(opened, journal, stored)
        try:
            known = next(known for known in sender.transactions if known.row == stored.row)
            with doing(_FOLLOWING):
                await _steer(sender, opened.chain, known, wish, timeout_s)
        finally:
            await sender.finish_critical(_FINISH_S)
    finally:
        await opened.close()
    (after,) = await journal.read(lambda reading: reading.transactions([stored.row]))
    return after


async def steer_deployment(
    config: Config, manifest: Manifest, name: str, stored: StoredTransaction, wish: Wish, timeout_s: float
) -> StoredTransaction:
    """Do what an operator wishes with a transaction of a deployment, and follow it as `steer` does.

    A cancellation in a block is taken out of the manifest, so that the next `endpoint deploy` does the step
    anew. What landed of the step itself stays: that run finds it in its block.

    Args:
        config: names the chain's providers and limits.
        manifest: locked by the caller.
        name: of the chain.
        stored: the transaction, as the manifest has it.
        wish: what to do.
        timeout_s: how long to follow it.

    Returns:
        The transaction as it is afterwards.

    Raises:
        ConfigError: the chain is not configured.
        KeyUnavailable: no keystore has the account that signed.
        Retryable: it can't be signed again: a limit, the account's funds, or nobody answers.
        CommandFailed: what it signed can't be read.
    """
    record, table = manifest.get(name), config.chain(name)
    assert record is not None
    chain = open_evm(name, table, bytes(record.genesis_hash), [_unlock_account(config, stored.sender)])
    try:
        store = ManifestStore(manifest, name)
        policy = PricePolicy(table.max_fee_wei, table.priority_fee_wei)
        sender = Sender(chain, store, policy, now_micros, shares_keys=True, log=quiet_log())
        displaced: list[Transaction] = []

        def note(outcomes: Outcomes) -> None:
            displaced.extend(outcomes.displaced)

        sender.on_outcomes = note
        sender.recover(store.recover(), ())
        known = sender.accounts[Address(stored.sender)].transactions[stored.nonce]
        try:
            with doing(_FOLLOWING):
                await _steer(sender, chain, known, wish, timeout_s)
        finally:
            await sender.finish_critical(_FINISH_S)
        if known.is_cancelled:
            store.forget([known])
    finally:
        await chain.close()
    after = replace(stored, attempts=tuple(known.attempts), waiting=known.waiting)
    if known.receipt is not None:
        return replace(
            after,
            state=TransactionState.INCLUDED,
            included_hash=known.receipt.tx_hash,
            block_number=known.receipt.block_number,
        )
    if sender.follows(known):
        return after
    return replace(
        after, state=TransactionState.DISPLACED if known in displaced else TransactionState.GIVEN_UP
    )


def _unlock_account(config: Config, account: bytes) -> Key:
    """Unlock the keystore of an account: `--key` may have named another one than the configured deployer."""
    names = [key.name for key in KeyStore(config.keys_directory).list() if key.address == account]
    if not names:
        raise KeyUnavailable(
            f"no keystore in {config.keys_directory} has the account 0x{account.hex()}",
            "that of the key that signed the deployment's transaction",
            "Import it with `postroad keys import`",
        )
    return unlock(config, names[0])


async def _recover(opened: OpenChain, journal: Journal, stored: StoredTransaction) -> Sender:
    """Return a sender that follows all transactions of the chain, as a daemon's does after its start."""
    chains = await journal.read(lambda reading: reading.chains())
    chain: StoredChain = next(known for known in chains if known.row == stored.chain)
    if chain.endpoint_id != opened.chain.endpoint_id:
        raise ConfigError(
            f"the transaction is of endpoint 0x{chain.endpoint_id.hex()}",
            f"0x{opened.chain.endpoint_id.hex()}, which is configured as {opened.name}",
            "The chain was reset, or another one has its name now: nothing of the old one can be steered",
        )
    if chain.trusted_state is not None:
        opened.prover.import_state(chain.trusted_state)

    async def prove(account: Address) -> ProvenAccount | None:
        header = await opened.prover.verify_head(await opened.chain.head())
        sender.note_header(header)
        return await opened.prover.prove_account(header, account)

    table = opened.config
    sender = Sender(
        opened.chain,
        JournalStore(journal, chain.row, now_micros, table.max_spend_wei_per_day, outcome_steps),
        PricePolicy(table.max_fee_wei, table.priority_fee_wei),
        now_micros,
        prove=prove,
        proves_now=not opened.prover.has_delayed_finality,
        log=quiet_log(),
    )
    live = await journal.read(lambda reading: reading.live_transactions(chain.row))
    carried = await journal.read(lambda reading: reading.batches_of(kept.row for kept in live))
    sender.recover(live, carried)
    return sender


async def _steer(sender: Sender, chain: Chain, known: Transaction, wish: Wish, timeout_s: float) -> None:
    ends_at = time.monotonic() + timeout_s
    # Receipts and nonces first: it may be in a block since it was looked at last.
    await _look(sender, chain)
    if known.receipt is not None or not sender.follows(known):
        return
    await sender.wish(known, wish)
    if known.call is None and not known.newest.is_cancellation:
        raise CommandFailed(
            ExitCode.REFUSED,
            f"the signed bytes with nonce {known.nonce} can't be read",
            "a transaction of type 0 or 2",
            "Cancel it instead",
        )
    while sender.follows(known) and time.monotonic() < ends_at:
        await _look(sender, chain)
        if await sender.included(known, _POLL_S):
            return


async def _look(sender: Sender, chain: Chain) -> None:
    height = sender.height
    # The sender looks all the same, and says why a transaction waits.
    with contextlib.suppress(Retryable, Rejection):
        height = (await chain.head()).number
    await sender.look(height)
