"""What one network address may ask over HTTP: a bucket of weight that refills steadily.

Time is the venue's, in milliseconds, and is passed in. Weights are Hyperliquid's, documentation page "Rate limits and
user limits".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from perpmaker.venue.engine.limits.rules import IpRules

UNREADABLE_WEIGHT = 1
"""Of a request that cannot be read; undocumented."""
_ORDINARY_WEIGHT = 20
_ITEMS_PER_EXCHANGE_WEIGHT = 40
_INFO_WEIGHT = {
    "l2Book": 2,
    "allMids": 2,
    "clearinghouseState": 2,
    "orderStatus": 2,
    "spotClearinghouseState": 2,
    "exchangeStatus": 2,
    "userRole": 60,
}
_ITEMS_PER_WEIGHT = {
    "recentTrades": 20,
    "historicalOrders": 20,
    "userFills": 20,
    "userFillsByTime": 20,
    "fundingHistory": 20,
    "userFunding": 20,
    "userNonFundingLedgerUpdates": 20,
    "twapHistory": 20,
    "userTwapSliceFills": 20,
    "userTwapSliceFillsByTime": 20,
    "candleSnapshot": 60,
}
_MINUTE_MS = 60_000


def info_weight(kind: str) -> int:
    """Weight of an info request before anything is known of its answer."""
    return _INFO_WEIGHT.get(kind, _ORDINARY_WEIGHT)


def answer_weight(kind: str, items: int) -> int:
    """What an answer of so many items weighs on top."""
    per = _ITEMS_PER_WEIGHT.get(kind)
    return 0 if per is None else items // per


def exchange_weight(items: int) -> int:
    """Weight of an action with so many items."""
    return 1 + items // _ITEMS_PER_EXCHANGE_WEIGHT


@dataclass(slots=True)
class _Bucket:
    """Left over, in weight times milliseconds of a minute, so that refilling stays exact."""

    level: int
    at_ms: int


@dataclass(slots=True)
class IpBudget:
    """The buckets of all network addresses."""

    rules: IpRules
    _buckets: dict[str, _Bucket] = field(default_factory=dict)

    def take(self, ip: str, weight: int, now_ms: int) -> bool:
        """Take weight, all or nothing. False means the request is to be refused."""
        if not self.rules.enforced:
            return True
        bucket = self._refilled(ip, now_ms)
        if bucket.level < weight * _MINUTE_MS:
            return False
        bucket.level -= weight * _MINUTE_MS
        return True

    def add(self, ip: str, weight: int, now_ms: int) -> None:
        """Take weight of an answer that is already given; the bucket may go below nothing."""
        if weight and self.rules.enforced:
            self._refilled(ip, now_ms).level -= weight * _MINUTE_MS

    def left(self, ip: str, now_ms: int) -> int:
        """Weight an address may still use at once."""
        return self._refilled(ip, now_ms).level // _MINUTE_MS

    def empty(self, ip: str | None, now_ms: int) -> None:
        """Use up what is left: of one address, or of all that were seen."""
        for known in [ip] if ip is not None else list(self._buckets):
            self._refilled(known, now_ms).level = 0

    def wait_ms(self, ip: str, weight: int, now_ms: int) -> int:
        """How long until so much weight is there."""
        lacking = weight * _MINUTE_MS - self._refilled(ip, now_ms).level
        return max(0, -(-lacking // self.rules.weight))

    def _refilled(self, ip: str, now_ms: int) -> _Bucket:
        full = self.rules.weight * _MINUTE_MS
        bucket = self._buckets.get(ip)
        if bucket is None:
            bucket = self._buckets[ip] = _Bucket(full, now_ms)
        elapsed_ms = max(0, now_ms - bucket.at_ms)
        bucket.level = min(full, bucket.level + elapsed_ms * self.rules.weight)
        bucket.at_ms = max(bucket.at_ms, now_ms)
        return bucket
