"""The store's password: read anew each time, never shown, and used over TLS as well."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from redis.exceptions import AuthenticationError

from perpmaker.api.parts import RedisCredentials
from perpmaker.common.redis_credentials import FileCredentials
from perpmaker.order_state.store.redis_store import Store, StoreDownError


def test_the_file_is_read_for_each_connection(tmp_path: Path) -> None:
    file = tmp_path / "password"
    credentials = FileCredentials("risk", file)
    for password in ("first", "second"):
        file.write_text(f"{password}\n")
        assert credentials.get_credentials() == ("risk", password)
        assert asyncio.run(credentials.get_credentials_async()) == ("risk", password)


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), (b"", "is empty"), (b"\xff\xfe", "no text")])
def test_a_file_without_a_password_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(AuthenticationError, match=said) as caught:
        FileCredentials("risk", file).get_credentials()
    assert str(file) in str(caught.value)


def test_the_password_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hidden words")
    credentials = FileCredentials("risk", file)
    credentials.get_credentials()
    assert "hidden" not in repr(credentials)


async def test_a_tls_address_is_spoken_to_over_tls(tmp_path: Path) -> None:
    """The first bytes of the client are a TLS handshake."""
    file = tmp_path / "password"
    file.write_text("secret")
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not heard.done():
            heard.set_result(await reader.read(3))
        writer.close()

    async with await asyncio.start_server(server, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        store = Store(f"rediss://127.0.0.1:{port}/0", "main", RedisCredentials(user="risk", password_file=file))
        with pytest.raises(StoreDownError):
            await store.ping()
        await store.close()
        assert (await heard)[:2] == b"\x16\x03"
