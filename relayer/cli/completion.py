# SPDX-License-Identifier: MIT
"""`postroad completion`: what a shell needs to complete commands, options and files."""

from __future__ import annotations

import click

from relayer.cli.options import json_option
from relayer.cli.output import print_json


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
@json_option
def completion(context: click.Context, shell: str, as_json: bool) -> None:
    """Print SHELL's script for completion of `postroad`.

    For bash: eval "$(postroad completion bash)" in ~/.bashrc, and likewise for zsh in ~/.zshrc; for fish:
    postroad completion fish > ~/.config/fish/completions/postroad.fish.
    """
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None, "click brings these three"
    script = made(context.find_root().command, {}, "postroad", "_POSTROAD_COMPLETE").source()
    if as_json:
        print_json({"shell": shell, "script": script})
        return
    click.echo(script)
