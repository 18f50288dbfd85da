"""Who may call what: one row for each method, checked before a servicer sees the call.

A method without a row is refused to everybody. Apart from the operator, a caller must belong to the account and the
namespace of the service it calls. Without TLS nobody can be told apart and nothing is checked.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, cast

import grpc
from grpc import aio

from perpmaker.common import logs
from perpmaker.common.identity import Identity, NotAnIdentityError, Role, parse_identity

_GATEWAY, _ORDERS, _RISK, _QUOTER = Role.GATEWAY, Role.ORDER_STATE, Role.RISK, Role.QUOTER
_CLI, _OPERATOR = Role.CLI, Role.OPERATOR
_EVERYBODY = tuple(Role)
_PROTO = "/perpmaker.proto"

_ROWS: Final[Mapping[str, Mapping[str, tuple[Role, ...]]]] = {
    "/grpc.health.v1.Health": {
        "Check": _EVERYBODY,
        "List": _EVERYBODY,
        "Watch": _EVERYBODY,
    },
    f"{_PROTO}.gateway.v1.MarketDataService": {
        "Subscribe": (_RISK, _QUOTER),
    },
    f"{_PROTO}.gateway.v1.AccountService": {
        "Subscribe": (_ORDERS, _RISK),
    },
    # Whoever calls these speaks to the exchange with the account's key.
    f"{_PROTO}.gateway.v1.ExecutionService": {
        "Execute": (_ORDERS,),
        "BurnNonce": (_ORDERS,),
        "Resolve": (_ORDERS,),
        "Disarm": (_RISK,),
        "Arm": (_RISK,),
    },
    f"{_PROTO}.gateway.v1.ReferenceService": {
        "ListInstruments": (_ORDERS, _RISK, _QUOTER, _OPERATOR),
        "GetOrderStatus": (_ORDERS,),
        "ListOpenOrders": (_ORDERS, _OPERATOR),
        "ListFills": (_ORDERS,),
        "GetAccount": (_ORDERS, _RISK),
        "GetStatus": (_OPERATOR,),
        "ApplyConfig": (_OPERATOR,),
    },
    f"{_PROTO}.orderstate.v1.OrdersService": {
        "Submit": (_QUOTER,),
        "Watch": (_RISK, _QUOTER),
        "AcquireSession": (_QUOTER,),
        # People and the operator ask risk, which closes the gate before it empties the book.
        "CancelAll": (_RISK,),
        "Explain": (_CLI,),
        "ListOrders": (_OPERATOR,),
        "ListFills": (),
        "GetSummary": (_RISK, _OPERATOR),
        "GetHighestNonce": (_GATEWAY,),
        "ApplyConfig": (_OPERATOR,),
    },
    f"{_PROTO}.risk.v1.RiskService": {
        "WatchPermissions": (_ORDERS, _QUOTER, _OPERATOR),
        "Trip": (_CLI, _OPERATOR),
        "Rearm": (_CLI, _OPERATOR),
        "CloseMarket": (_CLI, _OPERATOR),
        "OpenMarket": (_CLI, _OPERATOR),
        "GetState": (_CLI, _OPERATOR),
        "ApplyConfig": (_OPERATOR,),
    },
    f"{_PROTO}.quoter.v1.QuoterService": {
        "ApplyConfig": (_OPERATOR,),
        "GetStatus": (_OPERATOR,),
        "Drain": (_OPERATOR,),
    },
}

ALLOWED: Final[Mapping[str, tuple[Role, ...]]] = {
    f"{service}/{method}": roles for service, methods in _ROWS.items() for method, roles in methods.items()
}
"""Roles that may call a method, by its full name (`/package.Service/Method`)."""

OLDEST_TLS: Final = "TLSv1.3"

_log = logs.get(__name__)


def why_refused(me: Identity, peer: Identity, method: str) -> str | None:
    """Why `peer` may not call `method` of the service `me`, in words for its log; None when it may."""
    roles = ALLOWED.get(method)
    if roles is None:
        return f"{method} is open to nobody: it has no row in the table of permissions"
    if peer.role not in roles:
        may = ", ".join(roles) or "nobody"
        return f"{peer.uri} may not call {method}; allowed: {may}"
    if peer.role is not Role.OPERATOR and peer.scope != me.scope:
        return (
            f"{peer.uri} may not call {method} of {me.uri}: only services of account {me.account}"
            f" in namespace {me.namespace} may"
        )
    return None


def _only(context: Mapping[str, Any], key: str) -> str:
    values = context.get(key) or (b"",)
    value = values[0] if len(values) == 1 else b""
    return value.decode(errors="replace")


def check(me: Identity, peer: Mapping[str, Any], method: str) -> str | None:
    """The same for a connection's properties as gRPC gives them (`ServicerContext.auth_context`)."""
    version = _only(peer, "ssl_tls_version")
    # gRPC for Python cannot be told to refuse older versions in the handshake.
    if version != OLDEST_TLS:
        return f"the connection uses {version or 'no TLS'}; {OLDEST_TLS} is required"
    uri = _only(peer, "peer_spiffe_id")
    if not uri:
        return "the certificate has no URI name, or several; it must say which service of which account it is for"
    try:
        identity = parse_identity(uri)
    except NotAnIdentityError as error:
        return str(error)
    return why_refused(me, identity, method)


class PeerCheck(aio.ServerInterceptor):
    """Refuses calls with PERMISSION_DENIED and says who may."""

    def __init__(self, me: Identity) -> None:
        self._me = me

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Put the check before the handler."""
        handler = await continuation(handler_call_details)
        # None for a method that nobody serves: gRPC answers UNIMPLEMENTED.
        return handler and self._guard(handler, handler_call_details.method)

    async def _admit(self, context: aio.ServicerContext[Any, Any], method: str) -> None:
        refusal = check(self._me, context.auth_context(), method)
        if refusal is not None:
            _log.warning("peer.refused", method=method, peer=context.peer(), reason=refusal)
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, refusal)

    def _guard(self, handler: grpc.RpcMethodHandler[Any, Any], method: str) -> grpc.RpcMethodHandler[Any, Any]:
        make: Callable[..., Any]
        if handler.response_streaming:
            make = (
                grpc.stream_stream_rpc_method_handler
                if handler.request_streaming
                else grpc.unary_stream_rpc_method_handler
            )
            serve = cast("Callable[..., Any]", handler.stream_stream or handler.unary_stream)

            async def answers(request: Any, context: aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
                await self._admit(context, method)
                # The servicer's clean-up runs now, not when the collector finds it.
                async with contextlib.aclosing(serve(request, context)) as served:
                    async for answer in served:
                        yield answer

            async def conversation(request: Any, context: aio.ServicerContext[Any, Any]) -> None:
                await self._admit(context, method)
                await serve(request, context)

            guarded: Callable[..., Any] = answers if inspect.isasyncgenfunction(serve) else conversation
        else:
            make = (
                grpc.stream_unary_rpc_method_handler
                if handler.request_streaming
                else grpc.unary_unary_rpc_method_handler
            )
            serve = cast("Callable[..., Any]", handler.stream_unary or handler.unary_unary)

            async def answer(request: Any, context: aio.ServicerContext[Any, Any]) -> Any:
                await self._admit(context, method)
                return await serve(request, context)

            guarded = answer
        guarded_handler: grpc.RpcMethodHandler[Any, Any] = make(
            guarded,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
        return guarded_handler
