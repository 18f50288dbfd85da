"""Every way the venue can be told to misbehave: one struct per switch, one row per switch in `TABLE`.

A switch is armed until it has struck `n` times or `for_ms` of venue time have passed, whichever comes first; each
opportunity is taken with `probability`, drawn from the venue's seed. `address` and `channel` narrow it down.
Hazards are those of the exchange's documentation and of its clients' issue trackers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

MarketChannel = Literal[
    "l2Book",
    "bbo",
    "trades",
    "allMids",
    "activeAssetCtx",
    "candle",
    "allDexsAssetCtxs",
    "fastAssetCtxs",
]
UserChannel = Literal[
    "orderUpdates",
    "userFills",
    "user",
    "openOrders",
    "clearinghouseState",
    "activeAssetData",
    "userFundings",
    "userNonFundingLedgerUpdates",
    "webData2",
    "webData3",
    "notification",
    "allDexsClearinghouseState",
    "userHistoricalOrders",
    "userTwapSliceFills",
    "userTwapHistory",
    "twapStates",
]
Channel = Literal[
    "ack",
    "rest",
    "rest_info",
    "rest_exchange",
    "ws_post",
    "ws_market",
    "ws_user",
    MarketChannel,
    UserChannel,
]
MARKET_CHANNELS: tuple[str, ...] = get_args(MarketChannel)
USER_CHANNELS: tuple[str, ...] = get_args(UserChannel)
GROUPS: dict[str, tuple[str, ...]] = {
    "ack": ("rest_exchange", "ws_post"),
    "rest": ("rest_info", "rest_exchange"),
    "ws_market": MARKET_CHANNELS,
    "ws_user": USER_CHANNELS,
}
"""Names that stand for several channels. `ack` is every answer to an action, whatever it came by."""

AtLeastOne = Annotated[int, Meta(ge=1)]
Door = Annotated[
    Literal["ack", "rest", "rest_info", "rest_exchange", "ws_post"] | None,
    Meta(description="requests that came by this way; null for all"),
]
Streams = Annotated[
    Channel | None, Meta(description="one stream's channel, ws_market or ws_user; null for every stream")
]


def covers(chosen: str | None, met: str) -> bool:
    """Whether a switch for `chosen` acts on the channel `met`."""
    return chosen is None or chosen == met or met in GROUPS.get(chosen, ())


class Layer(StrEnum):
    """Where a switch acts."""

    REQUEST = "request"
    ANSWER = "answer"
    STREAM = "stream"
    SOCKET = "socket"
    BLOCK = "block"


class Switch(msgspec.Struct, tag_field="op", forbid_unknown_fields=True, kw_only=True):
    """What all switches share."""

    address: Annotated[
        str | None, Meta(description="only what concerns this account, or this signing key; null for everybody")
    ] = None
    probability: Annotated[float, Meta(description="share of the opportunities that are taken", gt=0, le=1)] = 1.0
    n: Annotated[AtLeastOne | None, Meta(description="ends after so many strikes; null for no limit")] = None
    for_ms: Annotated[AtLeastOne | None, Meta(description="ends after so much venue time; null for no limit")] = None


class DropBeforeCommit(Switch, tag="drop_before_commit"):
    """Lose actions: neither executed nor answered."""

    n: Annotated[AtLeastOne | None, Meta(description="ends after so many actions; null for no limit")] = 1
    channel: Door = None


class DropAfterCommit(Switch, tag="drop_after_commit"):
    """Execute actions but never answer them."""

    n: Annotated[AtLeastOne | None, Meta(description="ends after so many actions; null for no limit")] = 1
    channel: Door = None


class Delay(Switch, tag="delay"):
    """Hold back a channel's messages or answers. The newest delay of a channel and account replaces the one before;
    ms 0 ends it."""

    channel: Annotated[Channel, Meta(description="a stream's channel, a way of asking, or a group of them")]
    ms: Annotated[int, Meta(description="milliseconds: all of it, the most, or the mean, as shape says", ge=0)]
    shape: Annotated[
        Literal["fixed", "uniform", "exponential"],
        Meta(description="fixed: always ms; uniform: 0 to ms; exponential: mean ms, cut at ten times that"),
    ] = "fixed"


class DelayAction(Switch, tag="delay_action"):
    """Let actions of one kind reach their block later."""

    kind: Annotated[
        Literal["alo", "cancel", "taking", "other"],
        Meta(description="alo: only post-only orders; taking: any GTC or IOC order; other: neither order nor cancel"),
    ]
    ms: Annotated[int, Meta(description="milliseconds: all of it, the most, or the mean, as shape says", ge=1)]
    shape: Annotated[
        Literal["fixed", "uniform", "exponential"],
        Meta(description="fixed: always ms; uniform: 0 to ms; exponential: mean ms, cut at ten times that"),
    ] = "fixed"


class Refuse(Switch, tag="refuse"):
    """Answer requests the way an overloaded exchange does. Nothing is executed. On ws_post it is an error payload."""

    kind: Annotated[
        Literal["422", "429", "500", "502", "503"],
        Meta(description="status; 429 and 500 with body null, 502 and 503 with a page of HTML, 422 with text"),
    ]
    channel: Door = None


class Reset(Switch, tag="reset"):
    """Reset the connection of a REST request instead of answering it. Nothing is executed."""

    channel: Annotated[Literal["rest", "rest_info", "rest_exchange"], Meta(description="requests that are reset")] = (
        "rest"
    )


class IdleReset(Switch, tag="idle_reset"):
    """Reset a REST connection that was kept alive without a request for so long, when the next one comes. Nothing is
    executed."""

    idle_ms: Annotated[int, Meta(description="milliseconds without a request", ge=1)] = 180_000


class Hang(Switch, tag="hang"):
    """Sit on requests, then drop the connection without an answer (a post stays silent)."""

    ms: Annotated[int, Meta(description="milliseconds until the connection is dropped", ge=1)] = 10_000
    executes: Annotated[bool, Meta(description="whether an action is executed all the same")] = True
    channel: Door = None


class WrongNetwork(Switch, tag="wrong_network"):
    """Check signatures as the other network would: they recover to an address nobody knows."""


class UnknownOid(Switch, tag="unknown_oid"):
    """Let orderStatus lag: orders younger than this are unknownOid."""

    younger_than_ms: Annotated[int, Meta(description="age from placement, venue time; null for any age", ge=1)] = 2_000


class OmitOrders(Switch, tag="omit_orders"):
    """Leave open orders out of openOrders and frontendOpenOrders; probability is per order."""


class StaleInfo(Switch, tag="stale_info"):
    """Answer openOrders, frontendOpenOrders and clearinghouseState of all accounts as of the moment it was armed."""

    for_ms: Annotated[AtLeastOne | None, Meta(description="ends after so much venue time; null for no limit")] = 5_000


class FillRace(Switch, tag="fill_race"):
    """Let a taker execute orders one block before the cancel or modify that names them."""


class DropMessages(Switch, tag="drop_messages"):
    """Lose stream messages."""

    channel: Streams = None


class Duplicate(Switch, tag="duplicate"):
    """Send stream messages more than once."""

    channel: Streams = None
    copies: Annotated[int, Meta(description="how many times more", ge=1, le=100)] = 1


class Shuffle(Switch, tag="shuffle"):
    """Reorder stream messages: each waits a random part of the window."""

    channel: Streams = None
    window_ms: Annotated[int, Meta(description="longest wait", ge=1)] = 2_000


class Freeze(Switch, tag="freeze"):
    """Hold a stream's messages while armed, and send them in order when it ends."""

    channel: Streams = None


class Garble(Switch, tag="garble"):
    """Cut stream messages in half, which leaves invalid JSON."""

    channel: Streams = None


class HalfOpen(Switch, tag="half_open"):
    """Keep sockets open but send nothing and hear nothing; what would have been sent is lost."""


class IdleClose(Switch, tag="idle_close"):
    """Close sockets to which nothing was sent for this long, before the minute of the exchange is over."""

    after_ms: Annotated[int, Meta(description="milliseconds without a frame", ge=1)] = 30_000


class Crowd(Switch, tag="crowd"):
    """Answer as if others behind the same network address had used up one of the limits on its sockets."""

    channel: Annotated[
        Literal["connections", "subscriptions", "users", "messages", "posts"],
        Meta(description="what is used up; connections are answered 429, the others with their error frame"),
    ]


class MixBooks(Switch, tag="mix_books"):
    """Send the ordinary book, as old as it may be, along with the fast one to those who asked for that."""


class WithholdPong(Switch, tag="withhold_pong"):
    """Leave pings unanswered."""


class SlowConsumer(Switch, tag="slow_consumer"):
    """Let sockets take a few frames per block only, and cut those for whom too many wait."""

    frames_per_block: Annotated[int, Meta(description="frames sent to each socket after each block", ge=0)] = 1
    most_waiting: Annotated[int, Meta(description="frames that may wait before the socket is cut", ge=1)] = 1_000


class RefuseConnect(Switch, tag="refuse_connect"):
    """Refuse new connections."""

    channel: Annotated[Literal["ws", "rest"] | None, Meta(description="what is refused; null for both")] = "ws"
    status: Annotated[int, Meta(description="answer to a refused WebSocket; 0 resets the connection")] = 503


class AloStorm(Switch, tag="alo_storm"):
    """In each block let a house account quote one tick inside the spread, a random side, so that post-only orders
    priced from an older book are refused."""

    coin: Annotated[str, Meta(description="market")]
    sz: Annotated[str | int | float | None, Meta(description="size of each quote; null for the smallest legal one")] = (
        None
    )


class Stall(Switch, tag="stall"):
    """Build no blocks: requests wait, streams are silent, time stands still for the market."""

    for_ms: Annotated[AtLeastOne | None, Meta(description="milliseconds without blocks")] = 1_000


@dataclass(frozen=True, slots=True)
class Row:
    """One switch: where it acts, and the hazard it stands for."""

    kind: type[Switch]
    layer: Layer
    hazard: str


TABLE: tuple[Row, ...] = (
    Row(DropBeforeCommit, Layer.REQUEST, "acknowledgement lost before commit"),
    Row(DropAfterCommit, Layer.ANSWER, "acknowledgement lost after commit"),
    Row(Delay, Layer.ANSWER, "independent delays of answers and streams"),
    Row(DelayAction, Layer.REQUEST, "latency by class of action"),
    Row(Refuse, Layer.REQUEST, "422, 429 null, 500 null, 502 HTML, partial outage"),
    Row(Reset, Layer.REQUEST, "connection reset"),
    Row(IdleReset, Layer.REQUEST, "reset of an idle keep-alive connection"),
    Row(Hang, Layer.REQUEST, "hanging request"),
    Row(WrongNetwork, Layer.REQUEST, "signature for the wrong network"),
    Row(UnknownOid, Layer.ANSWER, "unknownOid for an order that exists"),
    Row(OmitOrders, Layer.ANSWER, "open orders missing from a snapshot"),
    Row(StaleInfo, Layer.ANSWER, "stale snapshot"),
    Row(FillRace, Layer.REQUEST, "cancel or modify of an order that was just filled"),
    Row(DropMessages, Layer.STREAM, "lost stream messages"),
    Row(Duplicate, Layer.STREAM, "duplicated stream messages"),
    Row(Shuffle, Layer.STREAM, "reordered stream messages"),
    Row(Freeze, Layer.STREAM, "a stream that stands still"),
    Row(Garble, Layer.STREAM, "invalid JSON frame"),
    Row(HalfOpen, Layer.SOCKET, "half-open socket"),
    Row(IdleClose, Layer.SOCKET, "idle close"),
    Row(Crowd, Layer.SOCKET, "caps on connections, subscriptions, users, messages and posts"),
    Row(MixBooks, Layer.STREAM, "fast and ordinary books on one connection"),
    Row(WithholdPong, Layer.SOCKET, "pong withheld"),
    Row(SlowConsumer, Layer.SOCKET, "slow consumer"),
    Row(RefuseConnect, Layer.SOCKET, "refused connections"),
    Row(AloStorm, Layer.BLOCK, "storm of refused post-only orders"),
    Row(Stall, Layer.BLOCK, "exchange without blocks"),
)
AnySwitch = (
    DropBeforeCommit
    | DropAfterCommit
    | Delay
    | DelayAction
    | Refuse
    | Reset
    | IdleReset
    | Hang
    | WrongNetwork
    | UnknownOid
    | OmitOrders
    | StaleInfo
    | FillRace
    | DropMessages
    | Duplicate
    | Shuffle
    | Freeze
    | Garble
    | HalfOpen
    | IdleClose
    | Crowd
    | MixBooks
    | WithholdPong
    | SlowConsumer
    | RefuseConnect
    | AloStorm
    | Stall
)


def name_of(kind: type[msgspec.Struct]) -> str:
    """The name of a switch or operation on the control port."""
    return str(kind.__struct_config__.tag)
