"""secp256k1 by the native library, or in Python where that is missing: same signatures, two hundred times slower."""

from __future__ import annotations

from typing import Protocol

try:
    from coincurve import PrivateKey as _NativeKey
except ImportError:  # pragma: no cover - the lock file installs it; a broken wheel must not stop cancels
    _NativeKey = None  # type: ignore[assignment,misc]


class Curve(Protocol):
    """A private key at work."""

    def sign(self, digest: bytes) -> bytes:
        """Recoverable signature: r, s (32 bytes each, low s) and recovery id. Deterministic (RFC 6979)."""
        ...

    def public_key(self) -> bytes:
        """Uncompressed public key without its leading byte, 64 bytes."""
        ...


class NativeCurve:
    """libsecp256k1."""

    __slots__ = ("_key",)

    def __init__(self, secret: bytes) -> None:
        """Raises ValueError when the secret is not a valid key."""
        self._key = _NativeKey(secret)

    def sign(self, digest: bytes) -> bytes:
        """See Curve."""
        return self._key.sign_recoverable(digest, hasher=None)

    def public_key(self) -> bytes:
        """See Curve."""
        return self._key.public_key.format(compressed=False)[1:]


class PythonCurve:
    """Pure Python."""

    __slots__ = ("_key",)

    def __init__(self, secret: bytes) -> None:
        """Raises ValueError when the secret is not a valid key."""
        # Imported where it is needed: it costs more memory than all of the gateway's own code.
        from eth_keys.backends.native.main import NativeECCBackend
        from eth_keys.main import KeyAPI
        from eth_utils.exceptions import ValidationError

        try:
            self._key = KeyAPI(NativeECCBackend()).PrivateKey(secret)
        except ValidationError:
            raise ValueError("not a valid secp256k1 key") from None

    def sign(self, digest: bytes) -> bytes:
        """See Curve."""
        return bytes(self._key.sign_msg_hash(digest).to_bytes())

    def public_key(self) -> bytes:
        """See Curve."""
        return bytes(self._key.public_key.to_bytes())


def is_native() -> bool:
    """Whether the native library is there."""
    return _NativeKey is not None


def open_curve(secret: bytes) -> Curve:
    """The fastest implementation this machine has. Raises ValueError when the secret is not a valid key."""
    return NativeCurve(secret) if is_native() else PythonCurve(secret)
