"""The key file: who may read it, what it may hold, and that nothing ever shows it."""

from __future__ import annotations

import copy
import pickle
import secrets
from pathlib import Path

import pytest

from perpmaker.gateway.curve import NativeCurve, PythonCurve
from perpmaker.gateway.key import KeyFileError, SigningKey, load_key
from perpmaker.gateway.signing import Signer

KEY = "0x0123456789012345678901234567890123456789012345678901234567890123"
ADDRESS = "0x14791697260e4c9a71f18484c9f997b308e59325"


def _file(directory: Path, content: str, mode: int = 0o600) -> Path:
    path = directory / "agent.key"
    path.write_text(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("content", [KEY, KEY[2:], f"{KEY}\n", f"  {KEY}\r\n", KEY.upper().replace("0X", "0x")])
def test_key_is_read_with_or_without_prefix_and_blanks(tmp_path: Path, content: str) -> None:
    assert load_key(_file(tmp_path, content)).address == ADDRESS


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601, 0o666])
def test_file_accessible_to_others_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = _file(tmp_path, KEY, mode)
    with pytest.raises(KeyFileError, match=f"chmod 600 {path}"):
        load_key(path)


@pytest.mark.parametrize(("mode", "accepted"), [(0o440, True), (0o640, True), (0o660, False), (0o644, False)])
def test_group_may_read_only_when_the_setting_says_so(tmp_path: Path, mode: int, accepted: bool) -> None:
    path = _file(tmp_path, KEY, mode)
    if accepted:
        assert load_key(path, group_readable=True).address == ADDRESS
    else:
        with pytest.raises(KeyFileError):
            load_key(path, group_readable=True)


def test_missing_file_says_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="64 hex digits"):
        load_key(tmp_path / "none")


def test_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="not a regular file"):
        load_key(tmp_path)


@pytest.mark.parametrize(
    "content", ["", "hello", KEY[:-1], KEY + "0", f"{KEY} {KEY}", "0x" + "0" * 64, "f" * 64, "z" + KEY[3:]]
)
def test_malformed_key_is_refused_without_showing_it(tmp_path: Path, content: str) -> None:
    with pytest.raises(KeyFileError) as caught:
        load_key(_file(tmp_path, content))
    assert KEY[10:40] not in str(caught.value)
    assert caught.value.__cause__ is None
    assert content[:20] == "" or content[:20] not in repr(caught.value)


def test_no_rendering_of_key_or_signer_shows_the_key() -> None:
    key = SigningKey(bytes.fromhex(KEY[2:]))
    signer = Signer(key, "b")
    shown = " ".join((repr(key), str(key), f"{key!r:>80}", repr(signer), str(signer)))
    assert "0123456789012345" not in shown
    assert ADDRESS in shown


def test_key_cannot_be_serialised_or_copied() -> None:
    key = SigningKey(secrets.token_bytes(32))
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            attempt(key)


def test_both_curve_implementations_sign_alike() -> None:
    secret, digest = secrets.token_bytes(32), secrets.token_bytes(32)
    assert NativeCurve(secret).sign(digest) == PythonCurve(secret).sign(digest)
    assert NativeCurve(secret).public_key() == PythonCurve(secret).public_key()


@pytest.mark.parametrize("curve", [NativeCurve, PythonCurve])
def test_zero_is_no_key(curve: type) -> None:
    with pytest.raises(ValueError):
        curve(bytes(32))
