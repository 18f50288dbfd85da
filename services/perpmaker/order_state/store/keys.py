"""Names of the keys of one account; the braces make them one slot of a cluster."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys that order-state owns. Nobody else writes them."""

    account: str

    def _key(self, name: str) -> str:
        return f"pm:{{{self.account}}}:orders:{name}"

    @property
    def meta(self) -> str:
        """Hash: `owner`, generation of the process that writes; `nonce`, highest one recorded."""
        return self._key("meta")

    @property
    def epochs(self) -> str:
        """Hash: newest session epoch by market."""
        return self._key("epochs")

    @property
    def live(self) -> str:
        """Hash: cloid to "version json" of orders not over for long."""
        return self._key("live")

    @property
    def journal(self) -> str:
        """Stream of order transitions, trimmed by length."""
        return self._key("journal")

    @property
    def ledger(self) -> str:
        """Stream of fills, funding and opening balances, in the order in which they were learned."""
        return self._key("ledger")

    @property
    def ledger_keys(self) -> str:
        """Set of the identities of all ledger entries."""
        return self._key("ledger:keys")

    @property
    def totals(self) -> str:
        """Hash: counters by market."""
        return self._key("totals")

    def archived(self, cloid: str) -> str:
        """String: record of an order that is over, kept for a while."""
        return self._key(f"over:{cloid}")
