# SPDX-License-Identifier: MIT
"""What `config check` and `doctor` look at, as findings. Nothing is changed."""

from __future__ import annotations

import asyncio
import stat
import time
from pathlib import Path
from typing import Final

from relayer.chains.base import Address
from relayer.cli.output import ether, span
from relayer.config import ChainConfig, Config
from relayer.consensus.findings import Finding, Severity
from relayer.errors import FeeLimitReached, PostroadError
from relayer.text import hex_of

#: How far a head may lie in the future before somebody's clock is wrong.
#: It is the default of max_clock_drift_s, beyond which light clients refuse a header.
_CLOCK_DRIFT_S: Final = 30.0
#: For all that is asked of one provider.
_TIMEOUT_S: Final = 15.0


def check_files(config: Config) -> list[Finding]:
    """Report on the tables of chains, the journal's URL, the keystores and the password file.

    Nothing is asked of chains, and nothing unlocked.
    """
    findings = [*_check_same_ids(config), *_check_journal(config)]
    does = "leaves it out" if config.relayed_lanes() else "does not start"
    for name, chain in config.chains.items():
        if chain.missing:
            advice = (
                f"Run `postroad endpoint deploy {name}`, or copy them from the endpoint's owner. Until then "
                f"`postroad run` {does}."
            )
            findings.append(
                Finding(
                    Severity.WARNING, name, f"no {', '.join(chain.missing)}", "a complete endpoint", advice
                )
            )
        if not chain.keys:
            advice = (
                f"Nothing is delivered to {name} without one: `postroad keys new`, then chains.{name}.keys."
            )
            findings.append(Finding(Severity.WARNING, name, "no keys", "a key to relay with", advice))
        findings += _check_shared_keys(name, chain)
    findings += _check_keys(config)
    if config.keys.password_file is not None:
        findings += _check_private(config.resolve(config.keys.password_file), "the password file")
    return findings


def _check_same_ids(config: Config) -> list[Finding]:
    """Report chains of one id. With one genesis block the file is refused before it comes here."""
    findings, seen = [], dict[str, str]()
    for name, chain in config.chains.items():
        other = seen.setdefault(chain.chain, name)
        if other != name:
            advice = "Chains may share an id; if these don't, correct one of the two."
            findings.append(
                Finding(Severity.WARNING, f"id of {name}", f"{chain.chain}, as {other}", "its own", advice)
            )
    return findings


def _check_journal(config: Config) -> list[Finding]:
    from relayer.journal.store import check_url

    try:
        check_url(config.journal_url.reveal())
    except PostroadError as error:
        return [Finding(Severity.REFUSAL, "journal", error.found, error.expected, error.advice)]
    return []


def _check_shared_keys(name: str, chain: ChainConfig) -> list[Finding]:
    """Report a key that relays and that other commands are told to sign with as well."""
    advice = "Two processes with one key take each other's nonces: give each a key of its own."
    return [
        Finding(
            Severity.WARNING,
            f"{purpose} of {name}",
            f"{key}, which relays as well",
            f"none of chains.{name}.keys",
            advice,
        )
        for purpose, key in (("sender", chain.sender), ("deployer", chain.deployer))
        if key in chain.keys
    ]


def _check_keys(config: Config) -> list[Finding]:
    from relayer.keys import KeyStore

    store, findings = KeyStore(config.keys_directory), []
    names: dict[str, None] = {}
    for chain in config.chains.values():
        names |= dict.fromkeys(
            [*chain.keys, *(key for key in (chain.sender, chain.deployer) if key is not None)]
        )
    for name in names:
        try:
            stored = store.find(name)
        except PostroadError as error:
            findings.append(
                Finding(Severity.REFUSAL, f"key {name}", error.found, error.expected, error.advice)
            )
            continue
        findings.append(Finding(Severity.OK, f"key {name}", hex_of(stored.address)))
        findings += _check_private(stored.path, f"key {name}")
    return findings


def _check_private(path: Path, subject: str) -> list[Finding]:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        return [
            Finding(
                Severity.REFUSAL, subject, f"{path} can't be read ({error.strerror})", "a file", "Restore it."
            )
        ]
    if mode & 0o077:
        advice = f"Others on this machine may read it: chmod 600 {path}"
        return [Finding(Severity.WARNING, subject, f"mode {mode:o}", "600", advice)]
    return []


async def check_live(config: Config) -> list[Finding]:
    """Unlock the relaying keys, ask every provider of every chain, and report what contradicts the file."""
    unlocked = await asyncio.to_thread(_check_password, config)
    by_chain = await asyncio.gather(*(_check_chain(config, name) for name in config.chains))
    return unlocked + [finding for findings in by_chain for finding in findings]


def _check_password(config: Config) -> list[Finding]:
    """Report whether the configured password unlocks the keys that relay; one after the other, for memory."""
    from relayer.keys import KeyStore, read_password

    store, findings = KeyStore(config.keys_directory), []
    named = {name for chain in config.chains.values() for name in chain.keys}
    names = sorted(named & {stored.name for stored in store.list()})
    if not names:
        return []
    variable, file = config.keys.password_env, config.keys.password_file
    if variable is None and file is None:
        return [Finding(Severity.OK, "password", "it is asked for when a key is used, and not tried here")]
    try:
        password = read_password(variable=variable, file=None if file is None else config.resolve(file))
    except PostroadError as error:
        return [Finding(Severity.REFUSAL, "password", error.found, error.expected, error.advice)]
    for name in names:
        try:
            store.unlock(name, password)
        except PostroadError as error:
            findings.append(
                Finding(Severity.REFUSAL, f"key {name}", error.found, error.expected, error.advice)
            )
    return findings or [Finding(Severity.OK, "password", f"it unlocks {', '.join(names)}")]


async def _check_chain(config: Config, name: str) -> list[Finding]:
    chain = config.chain(name)
    from relayer.consensus.registry import configured, kind_of

    by_provider = await asyncio.gather(
        *(_check_provider(name, chain, url.reveal(), str(url)) for url in chain.rpc)
    )
    findings = [finding for found in by_provider for finding in found]
    findings += await kind_of(chain).endpoint.check_live(configured(name, chain))
    # Where no provider is fine, nobody is there to ask for more.
    if any(finding.severity is Severity.OK for finding in findings):
        findings += await _check_bootstrap(name, chain)
        findings += await _check_accounts(config, name, chain)
    return findings


async def _check_bootstrap(name: str, chain: ChainConfig) -> list[Finding]:
    from relayer.chains.evm.node import Node
    from relayer.consensus.registry import configured, kind_of

    node = Node.over(name, [url.reveal() for url in chain.rpc])
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            return list(await kind_of(chain).endpoint.check_bootstrap(node, configured(name, chain)))
    except (PostroadError, TimeoutError) as error:
        found = f"it can't be compared with the chain: {error}"
        return [
            Finding(Severity.WARNING, f"bootstrap of {name}", found, "its block", "Try another provider.")
        ]
    finally:
        await node.close()


async def _check_provider(name: str, chain: ChainConfig, url: str, shown: str) -> list[Finding]:
    from relayer.chains.evm.node import Node
    from relayer.consensus.registry import configured, kind_of
    from relayer.contracts import recognise

    subject = f"{name} at {shown}"
    node = Node.over(name, [url])
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            started = time.monotonic()
            chain_id = await node.chain_id()
            latency_s = time.monotonic() - started
            genesis, head = await node.genesis_hash(), await node.block("latest")
            code = None if chain.gateway is None else await node.code(chain.gateway)
    except (PostroadError, TimeoutError) as error:
        found = getattr(error, "found", "") or f"no answer in {_TIMEOUT_S:g} s"
        advice = "Is the URL right, and the node up? `postroad run` serves the other chains meanwhile."
        return [Finding(Severity.REFUSAL, subject, found, "an answer", advice)]
    finally:
        await node.close()
    findings: list[Finding] = []
    if chain_id != chain.chain_id:
        findings.append(
            Finding(
                Severity.REFUSAL, subject, f"chain id {chain_id}", str(chain.chain_id), "Correct the URL."
            )
        )
    if chain.genesis_hash is not None and genesis != chain.genesis_hash:
        advice = "Another chain, or a reset one, which is a new endpoint."
        findings.append(
            Finding(
                Severity.REFUSAL, subject, f"genesis {hex_of(genesis)}", hex_of(chain.genesis_hash), advice
            )
        )
    if code is not None and recognise("Gateway", code) is None:
        found = f"other code, or none, at the gateway {hex_of(chain.gateway or b'')}"
        findings.append(
            Finding(Severity.REFUSAL, subject, found, "the Gateway of this version", "Correct the address.")
        )
    refused = kind_of(chain).endpoint.refuse_head(configured(name, chain), head)
    if refused is not None:
        advice = "Is the consensus right? Is it at block 0 still?"
        found = f"a head that is not believed: {refused}"
        findings.append(Finding(Severity.REFUSAL, subject, found, chain.consensus.label, advice))
        return findings
    number, timestamp = (int(str(head[key]), 16) for key in ("number", "timestamp"))
    age_s = time.time() - timestamp
    if age_s < -_CLOCK_DRIFT_S:
        advice = "Set this machine's clock (NTP), or the chain's."
        findings.append(
            Finding(Severity.WARNING, subject, f"a head {-age_s:.0f} s in the future", "our own time", advice)
        )
    if not findings:
        text = f"block {number}, {span(max(0.0, age_s))} old, answers in {latency_s * 1000:.0f} ms"
        findings.append(Finding(Severity.OK, subject, text))
    return findings


async def _check_accounts(config: Config, name: str, chain: ChainConfig) -> list[Finding]:
    from relayer.chains.evm.open_evm import open_evm
    from relayer.keys import KeyStore
    from relayer.sending.price import PricePolicy, compute_price, guess_delivery_wei

    # Not compared here: another genesis block is a finding of the providers' check.
    asked, store, findings = open_evm(name, chain, bytes(32)), KeyStore(config.keys_directory), []
    policy = PricePolicy(chain.max_fee_wei, chain.priority_fee_wei)
    try:
        market = await asked.market()
        cost_wei = guess_delivery_wei(market, policy)
        try:
            compute_price(market, policy)
        except FeeLimitReached as error:
            findings.append(
                Finding(Severity.WARNING, f"gas on {name}", error.found, error.expected, error.advice)
            )
        for key in chain.keys:
            account = Address(store.find(key).address)
            balance = await asked.balance(account)
            findings.append(_judge_balance(f"key {key} on {name}", account, balance, cost_wei))
    except PostroadError:
        # A missing key and a provider that doesn't answer are findings of the checks above already.
        return findings
    finally:
        await asked.close()
    return findings


def _judge_balance(subject: str, account: Address, balance: int, cost_wei: int) -> Finding:
    """Return what a balance is worth in deliveries that cost about `cost_wei`, 0 where gas is free."""
    from relayer.sending.price import LOW_DELIVERIES

    if cost_wei == 0:
        return Finding(Severity.OK, subject, f"{ether(balance)}; gas is free")
    left = balance // cost_wei
    text = f"{ether(balance)}, enough for about {left:,} deliveries at {ether(cost_wei)}"
    if left >= LOW_DELIVERIES:
        return Finding(Severity.OK, subject, text)
    advice = f"Send {hex_of(account)} some."
    if left == 0:
        return Finding(Severity.REFUSAL, subject, text, "something to pay gas with", advice)
    return Finding(Severity.WARNING, subject, text, f"at least {LOW_DELIVERIES}", advice)
