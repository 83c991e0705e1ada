# SPDX-License-Identifier: MIT
"""`postroad devnet`: local chains of any installed kind of consensus, joined, in the background."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from relayer.cli.exit_codes import ExitCode
from relayer.cli.failures import CommandFailed
from relayer.cli.options import HexParam, json_option
from relayer.cli.output import console, doing, print_json, say
from relayer.cli.running import run_async
from relayer.text import hex_of

if TYPE_CHECKING:
    from relayer.devnet.network.join import LocalRoads, LocalSite
    from relayer.devnet.network.state_file import ChainState, EndpointState, NetworkState
    from relayer.endpoint.apply import Progress
    from relayer.views.local_chain import (
        FundedAccountView,
        LocalChainView,
        LocalNetworkView,
        LocalStatusView,
    )

DEFAULT_CHAINS: Final = "court=bft:4,port=bft:ibft2:7"
DEFAULT_DIRECTORY: Final = ".postroad/devnet"


@click.group()
def devnet() -> None:
    """Start, stop and show local chains.

    anvil executes their blocks, and keys of our own sign them as the chain's consensus does, so that light
    clients have real signatures to verify.
    """


def _directory_option(command: Any) -> Any:
    return click.option(
        "--dir",
        "directory",
        type=click.Path(path_type=Path, file_okay=False),
        default=DEFAULT_DIRECTORY,
        show_default=True,
        help="Where its files are: configuration, keys, manifest.",
    )(command)


@devnet.command("up")
@click.option(
    "--chains",
    default=DEFAULT_CHAINS,
    show_default=True,
    help="NAME=KIND[:OPTION]...[@BLOCK_TIME], separated by commas, such as court=bft:4@0.5,eth=ethereum.",
)
@click.option("--seed", type=HexParam(), help="Hex from which all keys follow; random without.")
@click.option(
    "--admin", is_flag=True, help="Serve every chain's admin RPC: faults, mining, and what its kind adds."
)
@click.option("--no-deploy", is_flag=True, help="Start the chains only.")
@_directory_option
@json_option
def up(chains: str, seed: bytes | None, admin: bool, no_deploy: bool, directory: Path, as_json: bool) -> None:
    """Start chains, deploy endpoints, join all of them both ways, and write a configuration for them."""
    from relayer.devnet.network import background
    from relayer.devnet.network.join import join_local, remove_files

    directory = directory.absolute()
    state = background.status(directory)
    if state is None or not state.is_running():
        # Files of an earlier network belong to chains that are gone.
        remove_files(directory)
    if not as_json:
        say(f"Starting {chains} …", stderr=True)
    tell = (lambda _: None) if as_json else partial(say, stderr=True)
    state = background.up(chains, directory, seed=seed, admin=admin, tell=tell)
    try:
        if not no_deploy:
            if not as_json:
                say("They run. Endpoints are planned, deployed and joined …", stderr=True)
            sites = [_site(chain) for chain in state.chains]
            roads = run_async(join_local(sites, directory, _teller(as_json=as_json)))
            state = background.keep_endpoints(state, _endpoints(roads), directory)
    except BaseException:
        background.down(directory)
        remove_files(directory)
        raise
    if as_json:
        print_json(_network_view(state, directory))
        return
    _show(state, directory)
    _show_next(state, directory)


@devnet.command("install")
@json_option
def install(as_json: bool) -> None:
    """Fetch anvil, which executes the blocks of local chains, from the npm registry.

    It is the version that this Postroad was tried with, and its archive is compared with a digest that came
    with Postroad. It goes into the cache folder; nothing else is changed. The registry is
    npm_config_registry, or what npm is configured with. An anvil that POSTROAD_ANVIL names is used instead.
    """
    from relayer.devnet.errors import PackageRefused
    from relayer.devnet.process import anvil_package, toolchain

    program = toolchain.installed_anvil()
    is_new = not program.is_file()
    if is_new:
        registry = anvil_package.find_registry()
        with _fetching(registry, as_json=as_json) as tell:
            anvil_package.install(registry, tell)
    try:
        version = toolchain.read_version(program).split()[-1]
    except toolchain.ToolNotFoundError as error:
        advice = "Install Foundry yourself, and name its anvil in POSTROAD_ANVIL."
        raise PackageRefused(str(error), "a program for this machine", advice) from error
    if as_json:
        from relayer.views.local_chain import InstalledProgramView

        print_json(InstalledProgramView(program="anvil", version=version, path=str(program), fetched=is_new))
        return
    click.echo(f"anvil {version}{'' if is_new else ' is there already'}: {program}")


@devnet.command("down")
@_directory_option
@json_option
def down(directory: Path, as_json: bool) -> None:
    """Stop the chains and remove their files. Nothing is left."""
    from relayer.devnet.network import background
    from relayer.devnet.network.join import remove_files

    directory = directory.absolute()
    with doing("Stopping the chains"):
        was_running = background.down(directory)
    remove_files(directory)
    if as_json:
        from relayer.views.local_chain import LocalStoppedView

        print_json(LocalStoppedView(stopped=was_running, directory=str(directory)))
        return
    click.echo("Stopped." if was_running else "Nothing was running.")


@devnet.command("status")
@_directory_option
@json_option
def status(directory: Path, as_json: bool) -> None:
    """Show the chains and their heights, and all that `up` printed. Exits with 1 when none run."""
    from relayer.devnet.network import background

    directory = directory.absolute()
    state = background.status(directory)
    is_running = state is not None and state.is_running()
    heights = background.heights(state) if state is not None and is_running else {}
    if as_json:
        print_json(_status_view(state, directory, heights, is_running=is_running))
    elif state is None or not is_running:
        click.echo(f"No chains run in {directory}.")
    else:
        _show(state, directory, heights)
    if not is_running:
        raise click.exceptions.Exit(ExitCode.PROBLEM)


@devnet.command("env")
@_directory_option
@json_option
def env(directory: Path, as_json: bool) -> None:
    """Print variables for the shell, for `eval "$(postroad devnet env)"`.

    POSTROAD_CONFIG, and of every chain POSTROAD_NAME_RPC, _WEBSOCKET, _GATEWAY, _POSTBOX and _MULTISENDER.
    Exits with 1 when none run.
    """
    from relayer.devnet.network import background

    directory = directory.absolute()
    state = background.status(directory)
    if state is None or not state.is_running():
        raise CommandFailed(
            ExitCode.PROBLEM,
            f"no chains run in {directory}",
            "local chains",
            "Start them: postroad devnet up; or name their folder with --dir.",
        )
    variables = _variables(state, directory)
    if as_json:
        print_json(variables)
        return
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")


def _variables(state: NetworkState, directory: Path) -> dict[str, str]:
    """Return the variables of `devnet env`, by name."""
    config = _config_path(state, directory)
    variables = {} if config is None else {"POSTROAD_CONFIG": config}
    for chain in state.chains:
        prefix = _prefix(chain.name)
        variables |= {f"{prefix}_RPC": chain.http_url, f"{prefix}_WEBSOCKET": chain.ws_url}
        if chain.endpoint is not None:
            variables |= {
                f"{prefix}_GATEWAY": chain.endpoint.gateway,
                f"{prefix}_POSTBOX": chain.endpoint.postbox,
                f"{prefix}_MULTISENDER": chain.endpoint.multisender,
            }
    return variables


def _prefix(chain: str) -> str:
    return f"POSTROAD_{chain.upper().replace('-', '_')}"


@contextlib.contextmanager
def _fetching(registry: str, *, as_json: bool) -> Iterator[Callable[[int, int | None], None]]:
    """Yield what is told of bytes that come: they are shown in a terminal, and nowhere else."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from relayer.config.secret_url import redact_url

    errors = console(stderr=True)
    if not as_json:
        say(f"Fetching anvil from {redact_url(registry)} …", stderr=True)
    columns = (TextColumn("anvil"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=errors, disable=as_json or not errors.is_terminal) as progress:
        task = progress.add_task("anvil", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _site(chain: ChainState) -> LocalSite:
    from relayer.devnet.network.join import LocalSite

    secrets = [bytes.fromhex(key.secret.removeprefix("0x")) for key in chain.funded_keys]
    return LocalSite(
        name=chain.name,
        consensus=chain.details.consensus,
        chain_id=chain.chain_id,
        http_url=chain.http_url,
        ws_url=chain.ws_url,
        deployer=secrets[0],
        relayer=secrets[1],
        sender=secrets[2],
    )


def _endpoints(roads: LocalRoads) -> dict[str, EndpointState]:
    from relayer.devnet.network.state_file import EndpointState

    return {
        name: EndpointState(
            gateway=hex_of(endpoint.gateway),
            endpoint_id=hex_of(endpoint.endpoint_id),
            postbox=hex_of(endpoint.postbox),
            multisender=hex_of(endpoint.multisender),
        )
        for name, endpoint in roads.endpoints.items()
    }


def _teller(*, as_json: bool) -> Callable[[Progress], None]:
    """Return a function that prints on stderr how many steps are done: chains take turns as they come."""
    from relayer.cli.endpoint import describe_step
    from relayer.endpoint.apply import Moment

    done: list[Progress] = []

    def tell(progress: Progress) -> None:
        if as_json or progress.moment is not Moment.DONE:
            return
        done.append(progress)
        what = describe_step(progress.step.kind.value, progress.step.remote)
        say(f"[{len(done)}/{progress.total}] {progress.step.chain}: {what} ✓", stderr=True)
        if len(done) == progress.total:
            say("Contracts to try things with are deployed …", stderr=True)

    return tell


def _show(state: NetworkState, directory: Path, heights: Mapping[str, int | None] | None = None) -> None:
    """Print the chains with what is on them; with `heights`, where each of them is."""
    from relayer.devnet.network.join import CONFIG_FILE

    for chain in state.chains:
        say()
        say(f" {_summary(chain)}, chain id {chain.chain_id}", mark=chain.name, style="bold")
        if heights is not None:
            height = heights.get(chain.name)
            say("  it does not answer" if height is None else f"  height      block {height}")
        say(f"  RPC         {chain.http_url}   {chain.ws_url}")
        for label, text in chain.details.lines:
            say(f"  {label:<11} {text}")
        if chain.admin_url is not None:
            say(f"  admin RPC   {chain.admin_url}")
        if chain.endpoint is not None:
            say(f"  gateway     {chain.endpoint.gateway}")
            say(f"  endpoint    {chain.endpoint.endpoint_id}")
            say(f"  Postbox     {chain.endpoint.postbox}   (keeps in its log what it receives)")
            say(f"  Multisender {chain.endpoint.multisender}   (sends many messages at once)")
        money = "funded keys" if "free" not in chain.rules else "keys, without money: gas is free"
        say(f"  {money} (address, private key):")
        for account in _accounts(chain)[:6]:
            say(f"    {account.address}  {account.purpose or ''}")
            say(f"      {account.secret}")
    if state.is_joined:
        say(f"\nConfiguration: {_shown(directory / CONFIG_FILE)}")


def _show_next(state: NetworkState, directory: Path) -> None:
    """Print what to do with the chains."""
    if not state.is_joined:
        return
    folder = (
        "" if directory == Path(DEFAULT_DIRECTORY).absolute() else f" --dir {shlex.quote(_shown(directory))}"
    )
    first, second = ([chain.name for chain in state.chains] * 2)[:2]
    box = f"${_prefix(second)}_POSTBOX"
    for line in (
        "\nTell the shell where they are, in every terminal:",
        f'  eval "$(postroad devnet env{folder})"',
        "Relay, in another terminal:",
        "  postroad run",
        "Send a message, and wait until its delivery is proven:",
        f"  postroad send {first} {second} --to {box} --text hello --wait",
        f"Stop:\n  postroad devnet down{folder}",
    ):
        say(line)


def _summary(chain: ChainState) -> str:
    """Return the consensus in a few words, and what rules the chain has besides."""
    return ", ".join((chain.details.summary, *chain.rules))


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _config_path(state: NetworkState, directory: Path) -> str | None:
    from relayer.devnet.network.join import CONFIG_FILE

    return str(directory / CONFIG_FILE) if state.is_joined else None


def _network_view(state: NetworkState, directory: Path) -> LocalNetworkView:
    from relayer.views.local_chain import LocalNetworkView

    return LocalNetworkView(
        directory=str(directory),
        config=_config_path(state, directory),
        chains=tuple(_view(chain) for chain in state.chains),
    )


def _status_view(
    state: NetworkState | None,
    directory: Path,
    heights: Mapping[str, int | None],
    *,
    is_running: bool,
) -> LocalStatusView:
    from relayer.views.local_chain import LocalStatusView

    return LocalStatusView(
        running=is_running,
        directory=str(directory),
        config=None if state is None else _config_path(state, directory),
        chains=()
        if state is None
        else tuple(_view(chain, heights.get(chain.name)) for chain in state.chains),
    )


def _accounts(chain: ChainState) -> tuple[FundedAccountView, ...]:
    """Return its funded accounts: the first three serve a configured endpoint."""
    from relayer.devnet.network.join import DEPLOYER, RELAYER, SENDER
    from relayer.views.local_chain import FundedAccountView

    purposes = (DEPLOYER, RELAYER, SENDER) if chain.endpoint is not None else ()
    return tuple(
        FundedAccountView(address=key.address, secret=key.secret, purpose=purpose)
        for key, purpose in zip_longest(chain.funded_keys, purposes)
    )


def _view(chain: ChainState, height: int | None = None) -> LocalChainView:
    from relayer.views.local_chain import LocalChainView

    endpoint = chain.endpoint
    return LocalChainView(
        name=chain.name,
        consensus=chain.kind,
        chain_id=chain.chain_id,
        rpc=chain.http_url,
        websocket=chain.ws_url,
        admin=chain.admin_url,
        genesis_hash=chain.genesis_hash,
        details=chain.details.facts,
        rules=chain.rules,
        funded=_accounts(chain),
        height=height,
        gateway=None if endpoint is None else endpoint.gateway,
        endpoint_id=None if endpoint is None else endpoint.endpoint_id,
        postbox=None if endpoint is None else endpoint.postbox,
        multisender=None if endpoint is None else endpoint.multisender,
    )
