# SPDX-License-Identifier: MIT
"""What can go wrong with local chains."""

from __future__ import annotations

from relayer.errors import ConfigError, PostroadError, Retryable


class DevnetError(PostroadError):
    """The base of every error that local chains raise."""


class SpecError(ConfigError, DevnetError):
    """The text or the values that describe the wanted chains make no sense. Nothing is started."""


class ChainStartError(DevnetError):
    """anvil, or the front before it, could not be started."""


class ProgramMissing(ConfigError, ChainStartError):  # noqa: N818  the finding is the name
    """A program that local chains need is not installed, or can't be. The text says how to get it."""


class PackageUnavailable(Retryable, DevnetError):  # noqa: N818  as above
    """The registry that serves a program's package can't be reached, or does not have it."""


class PackageRefused(DevnetError):  # noqa: N818  as above
    """A registry serves something else than the package that was pinned. Nothing of it is used."""


class ExecutionError(DevnetError):
    """anvil died, or answered what it should never answer; the chain is of no use any more."""


class NetworkRunning(DevnetError):  # noqa: N818  the finding is the name
    """The directory already belongs to a network that runs."""


class NetworkNotReady(DevnetError):  # noqa: N818  the finding is the name
    """A background network did not become ready, or died on the way."""
