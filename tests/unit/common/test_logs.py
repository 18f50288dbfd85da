"""Logs: key material never passes, whatever way it takes."""

from __future__ import annotations

import json
import logging

import pytest

from perpmaker.common import logs

KEY = "0x" + "ab12" * 16


@pytest.fixture(autouse=True)
def restored_root() -> object:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize(
    "leak", [KEY, KEY[2:], f"bad key {KEY}!", [KEY], {"inner": KEY}, ValueError(KEY), KEY.encode()]
)
def test_a_key_is_redacted_wherever_it_hides(capsys: pytest.CaptureFixture[str], leak: object) -> None:
    logs.configure("test", "debug")
    logs.get("x").warning("event", value=leak)
    text = capsys.readouterr().err
    assert KEY[2:] not in text
    assert logs.REDACTED in text


def test_a_key_in_a_traceback_is_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("test", "info")
    try:
        raise ValueError(KEY)
    except ValueError:
        logs.get("x").exception("failed")
    assert KEY[2:] not in capsys.readouterr().err


def test_the_standard_library_logs_through_the_same_pipeline(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("test", "info", account="demo")
    logging.getLogger("library").warning("saw %s", KEY)
    (line,) = lines(capsys)
    assert line["event"] == f"saw {logs.REDACTED}"
    assert (line["component"], line["account"]) == ("test", "demo")


def test_addresses_and_client_order_ids_stay_readable(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("test", "info")
    logs.get("x").info("event", address="0x" + "ab" * 20, cloid="0x" + "cd" * 16)
    (line,) = lines(capsys)
    assert line["address"] == "0x" + "ab" * 20
    assert line["cloid"] == "0x" + "cd" * 16


def test_the_level_changes_while_loggers_are_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("test", "info")
    log = logs.get("x")
    log.debug("before")
    logs.set_level("Debug")
    log.debug("between")
    logs.set_level("warning")
    log.info("after")
    assert [line["event"] for line in lines(capsys)] == ["between"]
