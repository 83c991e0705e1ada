# SPDX-License-Identifier: MIT
"""What can be wrong with a journal."""

from __future__ import annotations

from relayer.errors import ConfigError, PostroadError


class JournalLocked(ConfigError):  # noqa: N818  the name says the finding, as in relayer.errors
    """Another daemon writes to this journal."""


class JournalUnreadable(ConfigError):  # noqa: N818  as above
    """The file is no journal, or a newer Postroad wrote it."""


class JournalError(PostroadError):
    """Nothing can be written."""


class JournalBroken(JournalError):  # noqa: N818  as above
    """The journal cannot be written any more (disk full, file gone): nothing may be broadcast, so the daemon ends."""


class JournalClosed(JournalError):  # noqa: N818  as above
    """The journal was closed while the daemon drains; the work is done again after the restart."""
