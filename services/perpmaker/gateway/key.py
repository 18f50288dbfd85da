"""The API wallet's key: read from a file nobody else can read, kept in one object that never shows it.

Guarantees: the key's bytes exist only inside `SigningKey`; its repr, str, pickle and every error raised here are free
of key material; a file that others can read is refused with the command that repairs it.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import NoReturn

from Crypto.Hash import keccak

from perpmaker.gateway.curve import open_curve

_KEY = re.compile(rb"\s*(?:0x)?([0-9a-fA-F]{64})\s*", re.ASCII)
_MAX_FILE_BYTES = 256


class KeyFileError(Exception):
    """The key file cannot be used; the text says what to do and never contains the file's content."""

    def __init__(self, path: Path, problem: str, remedy: str) -> None:
        super().__init__(f"key file {path}: {problem}; {remedy}")
        self.path = path
        self.problem = problem
        self.remedy = remedy


class SigningKey:
    """A secp256k1 private key that can sign and name its address, and nothing else."""

    __slots__ = ("_curve", "address")

    def __init__(self, secret: bytes) -> None:
        """Raises ValueError (without the secret) when the 32 bytes are not a valid key."""
        try:
            self._curve = open_curve(secret)
        except ValueError:
            raise ValueError("not a valid secp256k1 key") from None
        self.address = address_of(self._curve.public_key())

    def sign(self, digest: bytes) -> bytes:
        """Recoverable signature of a 32-byte digest: r, s (32 bytes each) and the recovery id."""
        return self._curve.sign(digest)

    def __repr__(self) -> str:
        return f"SigningKey(address={self.address})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signing key cannot be serialised")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("a signing key cannot be copied")

    __copy__ = __reduce__


def address_of(public_key: bytes) -> str:
    """Lower-case address of an uncompressed public key (64 bytes, without the leading one)."""
    digest = keccak.new(digest_bits=256, data=public_key).digest()
    return "0x" + digest[12:].hex()


def load_key(path: Path, *, group_readable: bool = False) -> SigningKey:
    """Read a key file: 64 hex digits, optional 0x, surrounding blanks allowed.

    `group_readable` accepts a file that its group may read, as a mounted Secret with fsGroup is. Raises KeyFileError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise KeyFileError(
            path, f"cannot be opened ({error.strerror})", "put the API wallet's key there as 64 hex digits"
        ) from None
    try:
        # The mode is read from the open file, so that it cannot be exchanged in between.
        status = os.fstat(descriptor)
        _check_mode(path, status.st_mode, group_readable=group_readable)
        content = os.read(descriptor, _MAX_FILE_BYTES)
    finally:
        os.close(descriptor)
    return _parse(path, content)


def _check_mode(path: Path, mode: int, *, group_readable: bool) -> None:
    if not stat.S_ISREG(mode):
        raise KeyFileError(path, "is not a regular file", "name the file itself")
    if mode & (0o037 if group_readable else 0o077):
        remedy = f"chmod {'640' if group_readable else '600'} {path}"
        raise KeyFileError(path, f"is accessible to others (mode {stat.S_IMODE(mode):04o})", remedy)


def _parse(path: Path, content: bytes) -> SigningKey:
    match = _KEY.fullmatch(content)
    if match is None:
        raise KeyFileError(
            path, "does not hold a key", "it must contain 64 hex digits, optionally after 0x, and nothing else"
        )
    try:
        return SigningKey(bytes.fromhex(match.group(1).decode()))
    except ValueError:
        raise KeyFileError(path, "does not hold a valid secp256k1 key", "create a new API wallet") from None
