"""To what enforces NetworkPolicy in the test cluster an answer that is cut off is an API server that is away."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.e2e.cluster.certificates import Authority
from tests.e2e.cluster.netpol import ApiServer

CUT_OFF = {
    "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n{",
    "in a body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
    "in a body without a length": b"HTTP/1.1 200 OK\r\n\r\n{",
    "in the status": b"HTT",
    "before the status": b"",
}


@contextmanager
def _answering(words: bytes) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(words)

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("words", CUT_OFF.values(), ids=CUT_OFF)
def test_an_answer_that_ends_too_soon_is_an_api_server_that_is_away(tmp_path: Path, words: bytes) -> None:
    Authority(tmp_path)
    with _answering(words) as url:
        config = {"clusters": [{"cluster": {"server": url}}], "users": [{"user": {"token": "t"}}]}
        (tmp_path / "kubeconfig").write_text(json.dumps(config))
        with pytest.raises(OSError, match=r"no whole answer|closed connection"):
            ApiServer(tmp_path / "kubeconfig", tmp_path / "ca.crt").items("/api/v1/pods")
