# SPDX-License-Identifier: MIT
"""The root of the command line: it finds the command, and turns errors into exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from relayer.cli.exit_codes import ExitCode
from relayer.cli.lazy import LazyGroup
from relayer.cli.output import replace_what_is_missing

#: By a command's name, where it is and its help in one line.
_COMMANDS: Final = {
    "demo": ("relayer.cli.demo:demo", "Two local chains and messages between them, before your eyes."),
    "devnet": ("relayer.cli.devnet:devnet", "Start, stop and show local chains that are joined already."),
    "init": ("relayer.cli.init:init", "Write a configuration, by questions or by options."),
    "new": ("relayer.cli.new:new", "Write a project to begin with: an application on two chains."),
    "endpoint": ("relayer.cli.endpoint:endpoint", "Deploy, join, list and check endpoints."),
    "keys": ("relayer.cli.keys:keys", "Make, import and list encrypted signing keys."),
    "config": ("relayer.cli.config:config", "Check the configuration."),
    "run": ("relayer.cli.run:run", "Relay messages, day and night."),
    "send": ("relayer.cli.send:send", "Send a message."),
    "trace": ("relayer.cli.trace:trace", "Tell the story of a message."),
    "top": ("relayer.cli.top:top", "Watch a running relayer: lanes, chains, accounts, clients."),
    "verify": ("relayer.cli.verify:verify", "Check evidence that a message was sent."),
    "pending": ("relayer.cli.pending:pending", "List what waits, and why."),
    "tx": ("relayer.cli.tx:tx", "List, replace and cancel the relayer's open transactions."),
    "deliver": ("relayer.cli.deliver:deliver", "Deliver one message by hand."),
    "client": ("relayer.cli.client:client", "Show, update, bootstrap and replace light clients."),
    "remote": ("relayer.cli.remote:remote", "Pause, retire and reinstate the remotes of an endpoint."),
    "lane": ("relayer.cli.lane:lane", "Pause and unpause single lanes."),
    "channel": ("relayer.cli.channel:channel", "Open channels, and say who sends on them."),
    "roles": ("relayer.cli.roles:roles", "Show, grant and revoke roles of an endpoint."),
    "completion": ("relayer.cli.completion:completion", "Print a shell's script for completion."),
    "doctor": ("relayer.cli.doctor:doctor", "Look for what is wrong with this installation."),
}

_ROOT: Final = LazyGroup(
    name="postroad",
    lazy=_COMMANDS,
    help="Move messages between blockchains: light clients verify every header and every message, here and on chain.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    params=[],
)
click.version_option(package_name="postroad", prog_name="postroad", message="%(prog)s %(version)s")(_ROOT)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command, show its error if there is one, and exit. Always raises SystemExit."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    # The words themselves are asked, because an error may come before click has read them.
    as_json = "--json" in words
    replace_what_is_missing(sys.stdout, sys.stderr)
    try:
        # Standing alone, click would print errors and exit by itself, without JSON and with its own codes.
        code = _ROOT.main(words, prog_name="postroad", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        from relayer.cli.failures import CommandFailed, fail

        fail(CommandFailed(ExitCode.INTERRUPTED, "interrupted"), as_json=as_json)
    except click.ClickException as error:
        if as_json:
            from relayer.cli.failures import CommandFailed, fail

            fail(CommandFailed(ExitCode.USAGE, error.format_message(), "", "See --help."), as_json=True)
        error.show()
        code = error.exit_code
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`): say nothing more, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.OK
    except Exception as error:  # noqa: BLE001  nothing above this catches
        from relayer.cli.failures import fail

        fail(error, as_json=as_json)
    raise SystemExit(code if isinstance(code, int) else 0)
