# SPDX-License-Identifier: MIT
"""The errors of opening and of writing a journal."""

from __future__ import annotations

from relayer.errors import ConfigError, PostroadError


class JournalLocked(ConfigError):  # noqa: N818  the name says the finding, as in relayer.errors
    """Another daemon writes to this journal."""


class JournalUnreadable(ConfigError):  # noqa: N818  as above
    """The file is no journal, lacks rows that it must have, or was written by a newer Postroad."""


class JournalMissing(JournalUnreadable):
    """There is no journal yet, and it was to be read alone."""


class JournalError(PostroadError):
    """The journal takes no writes."""


class JournalBroken(JournalError):  # noqa: N818  as above
    """The journal cannot be written any more (disk full, file gone).

    Nothing may be broadcast then, so the daemon ends.
    """


class JournalClosed(JournalError):  # noqa: N818  as above
    """The journal was closed while the daemon drains. The work is done again after the restart."""
