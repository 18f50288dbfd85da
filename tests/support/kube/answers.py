"""What goes back to a client: objects, refusals as a Status, lines of a watch."""

from __future__ import annotations

import json

from aiohttp import web
from tests.support.kube.cluster import Json
from tests.support.kube.kinds import Kind

REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}
"""Reason of a Status by its code."""


def shown(kind: Kind, item: Json) -> Json:
    """An object with its kind."""
    return {**item, "apiVersion": kind.api_version, "kind": kind.kind}


def unnamed(item: Json) -> Json:
    """An object without its kind, as a list holds it."""
    return {key: value for key, value in item.items() if key not in {"apiVersion", "kind"}}


def status(
    code: int,
    reason: str,
    message: str,
    causes: list[Json] | None = None,
    headers: dict[str, str] | None = None,
    name: str = "",
) -> web.Response:
    """A refusal."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
        "details": {"causes": causes or [], **({"name": name} if name else {})},
    }
    return web.json_response(body, status=code, headers=headers)


async def line(response: web.StreamResponse, type_: str, item: Json) -> None:
    """Send one event of a watch."""
    await response.write(json.dumps({"type": type_, "object": item}).encode() + b"\n")
