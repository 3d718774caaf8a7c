"""`python -m tests.support.cluster_check --minutes 30`: faults on a real cluster, checked."""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

from tests.support.cluster_check.run import Plan, check


def main() -> int:
    """Run it; 1 where something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.cluster_check")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=300)
    parser.add_argument("--symbols", type=int, default=1_000)
    parser.add_argument("--longest", type=float, default=8.0, help="of a fault, in seconds")
    parser.add_argument(
        "--monkey", metavar="RATE", help="kill actors by stockstream chaos monkey instead, as 1/s"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    asked = parser.parse_args()
    plan = Plan(
        clients=asked.clients,
        symbols=asked.symbols,
        seed=asked.seed,
        longest=asked.longest,
        seconds=asked.minutes * 60,
        monkey=asked.monkey,
    )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        verdict = check(plan, Path(folder))
    print(json.dumps(verdict.figures, indent=1))
    for violation in verdict.violations:
        print("VIOLATED", violation)
    return 1 if verdict.violations else 0


sys.exit(main())
