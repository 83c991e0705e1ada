# SPDX-License-Identifier: MIT
"""`postroad devnet`: local chains of any installed kind of consensus, joined, in the background."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from relayer.cli.exit_codes import ExitCode
from relayer.cli.options import HexParam, json_option
from relayer.cli.output import console, print_json
from relayer.cli.running import run_async
from relayer.text import hex_of

if TYPE_CHECKING:
    from relayer.devnet.network.join import LocalEndpoint, LocalRoads, LocalSite
    from relayer.devnet.network.state_file import ChainState, NetworkState
    from relayer.endpoint.apply import Progress
    from relayer.views.local_chain import LocalChainView, LocalNetworkView

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
    errors = console(stderr=True)
    state = background.status(directory)
    if state is None or not state.is_running():
        # Files of an earlier network belong to chains that are gone.
        remove_files(directory)
    if not as_json:
        errors.print(f"Starting {chains} …")
    tell = (lambda _: None) if as_json else errors.print
    state = background.up(chains, directory, seed=seed, admin=admin, tell=tell)
    try:
        roads = None
        if not no_deploy:
            sites = [_site(chain) for chain in state.chains]
            roads = run_async(
                join_local(sites, directory, lambda progress: None if as_json else _tell(progress))
            )
    except BaseException:
        background.down(directory)
        remove_files(directory)
        raise
    if as_json:
        print_json(_json(state, directory, roads))
        return
    _show(state, directory, roads)


@devnet.command("install")
@json_option
def install(as_json: bool) -> None:
    """Fetch anvil, which executes the blocks of local chains, from the npm registry.

    It is the version that this Postroad was tried with, and its archive is compared with a digest that came
    with Postroad. It goes into the cache folder; nothing else is changed. The registry is npm's, or what
    npm_config_registry or the user's .npmrc names. An anvil that is named in POSTROAD_ANVIL is used instead.
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
    """Show the chains and their heights. Exits with 1 when none run."""
    from relayer.devnet.network import background

    directory = directory.absolute()
    state = background.status(directory)
    is_running = state is not None and state.is_running()
    heights = background.heights(state) if state is not None and is_running else {}
    if as_json:
        from relayer.views.local_chain import LocalStatusView

        chains = () if state is None else state.chains
        views = tuple(_view(chain, height=heights.get(chain.name)) for chain in chains)
        print_json(LocalStatusView(running=is_running, directory=str(directory), chains=views))
    elif state is None or not is_running:
        click.echo(f"No chains run in {directory}.")
    else:
        for chain in state.chains:
            height = heights.get(chain.name)
            shown_height = "does not answer" if height is None else f"block {height}"
            click.echo(f"{chain.name}: {_summary(chain)}, {chain.http_url}, {shown_height}")
    if not is_running:
        raise click.exceptions.Exit(ExitCode.PROBLEM)


@contextlib.contextmanager
def _fetching(registry: str, *, as_json: bool) -> Iterator[Callable[[int, int | None], None]]:
    """Yield what is told of bytes that come: they are shown in a terminal, and nowhere else."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from relayer.config.secret_url import redact_url

    errors = console(stderr=True)
    if not as_json:
        errors.print(f"Fetching anvil from {redact_url(registry)} …", markup=False)
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


def _tell(progress: Progress) -> None:
    from relayer.cli.endpoint import describe_step
    from relayer.endpoint.apply import Moment

    if progress.moment is Moment.DONE:
        what = describe_step(progress.step.kind.value, progress.step.remote)
        console(stderr=True).print(f"[{progress.number}/{progress.total}] {progress.step.chain}: {what} ✓")


def _show(state: NetworkState, directory: Path, roads: LocalRoads | None) -> None:
    out = console()
    for chain in state.chains:
        out.print(f"\n[bold]{chain.name}[/]  {_summary(chain)}, chain id {chain.chain_id}")
        out.print(f"  RPC        {chain.http_url}   {chain.ws_url}", markup=False)
        for label, text in chain.details.lines:
            out.print(f"  {label:<10} {text}", markup=False)
        if chain.admin_url is not None:
            out.print(f"  admin RPC  {chain.admin_url}", markup=False)
        if roads is not None:
            endpoint = roads.endpoints[chain.name]
            out.print(f"  gateway    {hex_of(endpoint.gateway)}")
            out.print(
                f"  Postbox    {hex_of(endpoint.postbox)}   (a recipient that keeps what arrives in its log)"
            )
        purposes = ("deployer", "relayer", "sender") if roads is not None else ()
        money = "funded keys" if "free" not in chain.rules else "keys, without money: gas is free"
        out.print(f"  {money} (address, private key):")
        for index, key in enumerate(chain.funded_keys[:6]):
            purpose = f"  {purposes[index]}" if index < len(purposes) else ""
            out.print(f"    {key.address}  {key.secret}{purpose}", markup=False)
    if roads is None:
        return
    first, second = ([chain.name for chain in state.chains] * 2)[:2]
    box = hex_of(roads.endpoints[second].postbox)
    config = _shown(roads.config_path)
    out.print(f"\nConfiguration: {config}\n\nRelay, in another terminal:")
    out.print(f"  postroad run -c {config}", markup=False)
    out.print("Send a message, and wait until its delivery is proven:")
    out.print(f"  postroad send {first} {second} --to {box} --text hello --wait -c {config}", markup=False)
    out.print(f"Stop:\n  postroad devnet down --dir {_shown(directory)}", markup=False)


def _summary(chain: ChainState) -> str:
    """Return the consensus in a few words, and what rules the chain has besides."""
    return ", ".join((chain.details.summary, *chain.rules))


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _json(state: NetworkState, directory: Path, roads: LocalRoads | None) -> LocalNetworkView:
    from relayer.views.local_chain import LocalNetworkView

    return LocalNetworkView(
        directory=str(directory),
        config=None if roads is None else str(roads.config_path),
        chains=tuple(
            _view(chain, endpoint=None if roads is None else roads.endpoints[chain.name])
            for chain in state.chains
        ),
    )


def _view(
    chain: ChainState, *, height: int | None = None, endpoint: LocalEndpoint | None = None
) -> LocalChainView:
    from relayer.views.local_chain import FundedAccountView, LocalChainView

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
        funded=tuple(FundedAccountView(address=key.address, secret=key.secret) for key in chain.funded_keys),
        height=height,
        gateway=None if endpoint is None else endpoint.gateway,
        endpoint_id=None if endpoint is None else endpoint.endpoint_id,
        postbox=None if endpoint is None else endpoint.postbox,
        multisender=None if endpoint is None else endpoint.multisender,
    )
