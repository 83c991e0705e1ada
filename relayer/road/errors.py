# SPDX-License-Identifier: MIT
"""What can come of a message that is waited for or looked for."""

from __future__ import annotations

from relayer.errors import Drop, Retryable


class DeliveryTimeout(Retryable):
    """The message was not proven as delivered in the time that the caller gave; it may still be."""


class MessageExpired(Drop):
    """The destination's time is past the message's deadline and its bit is proven clear:
    it will never be executed.
    """


class MessageUnknown(Drop):
    """No configured chain has sent a message of this id."""
