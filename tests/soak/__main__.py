"""`make soak MINUTES=30 SEED=1`: a gateway under random faults in virtual time. Exits 1 when a promise is broken."""

from __future__ import annotations

import argparse
import sys
import time

from tests.soak.soak import Course, Soak, soak
from tests.soak.verdict import verdict
from tests.support.virtual_time import run_virtually

_GROUPS = (
    ("messages of the account", "account "),
    ("messages of the markets", "market "),
    ("told once", "once "),
    ("told again", "again "),
    ("in a gap", "in a hole "),
    ("taken off the wire", "taken "),
    ("compared with the book", "compared "),
    ("gaps of the account", "gap "),
    ("feeds", "feed "),
    ("orders sent", "sent "),
    ("outcomes", "outcome "),
    ("unknown orders resolved", "resolved by "),
    ("orders at their end", "order "),
    ("audits", "audit "),
    ("seconds of the switch", "switch "),
    ("seconds of each key", "signer "),
    ("log", "log "),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=int, default=30, help="virtual minutes")
    parser.add_argument("--seed", type=int, default=1, help="of market, trader and faults")
    parser.add_argument("--intensity", type=float, default=2.0, help="of the faults; 1 is one in ten virtual seconds")
    chosen = parser.parse_args()
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    done = run_virtually(soak(Course(chosen.minutes, chosen.seed, chosen.intensity), progress))
    cpu_s = time.process_time() - began_cpu_s
    print(
        f"\n{chosen.minutes} virtual minutes, seed {chosen.seed}, intensity {chosen.intensity:g}:"
        f" {cpu_s:.0f} s of processor, {time.monotonic() - began_s:.0f} s,"
        f" {chosen.minutes * 60 / cpu_s:.0f} virtual seconds per processor second"
    )
    return report(done)


def progress(so_far: Soak) -> None:
    """One line for each virtual minute."""
    now, counts = so_far.minutes[-1], so_far.findings.counts
    print(
        f"minute {now.number:3}  {now.cpu_s:5.1f} s cpu  {now.vitals.rss_bytes / 2**20:5.0f} MiB"
        f"  {now.vitals.tasks:3} tasks  {now.vitals.descriptors:3} descriptors"
        f"  {counts['heard orderUpdates']:6} order updates  {counts['heard userFills']:5} fills"
        f"  {counts['heard trades']:6} trades  {counts['account gap_closed']:3} gaps closed"
        f"  {sum(so_far.faults.values()):5} faults  {so_far.findings.violated.total()} violations",
        flush=True,
    )


def report(done: Soak) -> int:
    """Figures, violations and the verdict; returns the exit code."""
    for title, prefix in _GROUPS:
        print(f"{title:26} {_figures(done.findings.of(prefix))}")
    print(f"{'fills by audit alone':26} {done.findings.counts['fills by audit alone']}")
    print(f"{'faults that struck':26} {_figures(done.faults)}\n")
    for violation in done.findings.violations:
        print(violation)
    rows = verdict(done)
    for row in rows:
        print(f"{'ok  ' if row.is_kept else 'FAIL'}  {row.promise:38} {row.figure}")
    return 0 if all(row.is_kept for row in rows) else 1


def _figures(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items(), key=lambda item: -item[1])) or "none"


if __name__ == "__main__":
    sys.exit(main())
