"""Appends a journal to disk: whole lines, handed to the operating system after every block.

A segment that is full is followed by `FILE.1`, `FILE.2`, ...; nothing is ever deleted or rewritten. What a killed
process had written stays; a power cut may take the last blocks.
"""

from __future__ import annotations

import os
from pathlib import Path

from perpmaker.venue.journal.entries import ENCODER, Entry

SEGMENT_BYTES = 64 * 2**20
_BUFFER_BYTES = 2**18


class JournalExistsError(Exception):
    """The file is there already; a journal is never overwritten."""


class Writer:
    """One journal being written. Raises `JournalExistsError` and `OSError` when it cannot begin."""

    def __init__(self, path: Path, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._path = path
        self._segment_bytes = segment_bytes
        self._segment = 0
        self._buffer = bytearray()
        self._file = self._open(path)
        self._written = 0

    def append(self, entry: Entry) -> None:
        self._buffer += ENCODER.encode(entry) + b"\n"
        if len(self._buffer) >= _BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand what is buffered to the operating system, and begin a new segment when this one is full."""
        view = memoryview(bytes(self._buffer))
        self._buffer.clear()
        while view:
            count = os.write(self._file, view)
            self._written += count
            view = view[count:]
        if self._written >= self._segment_bytes:
            os.close(self._file)
            self._segment += 1
            self._file = self._open(segment_path(self._path, self._segment))
            self._written = 0

    def close(self) -> None:
        self.flush()
        os.fsync(self._file)
        os.close(self._file)

    @staticmethod
    def _open(path: Path) -> int:
        try:
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        except FileExistsError:
            raise JournalExistsError(f"{path} exists; a journal is never overwritten") from None


def segment_path(path: Path, number: int) -> Path:
    """Where segment `number` of a journal is; segment 0 is the file itself."""
    return path if number == 0 else path.with_name(f"{path.name}.{number}")
