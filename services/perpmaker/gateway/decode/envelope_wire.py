"""What every inbound frame is wrapped in, and the answer to a post. Source: Hyperliquid docs, "WebSocket"."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct


class Frame(Struct, frozen=True):
    """Envelope of every inbound socket frame."""

    channel: str
    data: Raw = Raw()
    """Empty for frames without any, such as `pong`."""


class PostResponseWire(Struct, frozen=True):
    """Inner answer of a post: type "action", "info" or "error"."""

    type: str
    payload: Raw


class PostWire(Struct, frozen=True):
    """`post`."""

    id: int
    response: PostResponseWire


DecodeError = msgspec.DecodeError
"""A frame that is not JSON or not of the documented shape (ValidationError is a subclass)."""
FRAME = msgspec.json.Decoder(Frame)
POST = msgspec.json.Decoder(PostWire)
TEXT = msgspec.json.Decoder(str)
