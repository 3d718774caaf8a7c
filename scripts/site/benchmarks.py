"""The page of benchmarks: what `bench/results/` holds, with the machine and the commit of each."""

from __future__ import annotations

import json
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

Result = dict[str, Any]
_ABOUT = """Each table comes from a file of `bench/results/`, as the benchmark wrote it. All ran
on small shared machines: trust ratios within one run and CPU per update more than rates. How
each is measured, how far to trust it, and the commands to run them yourself: [How they are
measured](explanation/benchmarking.md)."""


def pages(root: Path) -> dict[str, str]:
    """The page's place and text."""
    results = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((root / "bench" / "results").glob("*.json"))
        if not path.stem.endswith("-quick")  # of this machine only: git leaves them out, too
    }
    return {"benchmarks.md": page(results)}


def page(results: dict[str, Result]) -> str:
    """A part for each result, in the order of this module; what it does not know is named."""
    parts = [
        "# Benchmarks",
        _ABOUT,
    ]
    for name, (title, about, table) in _PARTS.items():
        if name in results:
            parts += [f"## {title}", about, table(results[name]), _measured(results[name])]
    rest = sorted(results.keys() - _PARTS.keys())
    if rest:
        parts += ["## Others", "There are results without a table here: " + ", ".join(rest) + "."]
    return "\n\n".join(parts) + "\n"


def _measured(result: Result) -> str:
    machine = result.get("machine")
    if not isinstance(machine, dict):
        on, cores = result["taken"][:10], result["cores"]
        return f"*Measured {on}: {cores} cores, Python {result['python']}.*"
    on, commit, cores = machine["time"][:10], machine["commit"], machine["cores"]
    processor, python = machine["processor"], machine["python"]
    return f"*Measured {on} at commit `{commit}`: {processor}, {cores} cores, Python {python}.*"


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [f"| {' | '.join(heads)} |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    lines += [f"| {' | '.join(map(_shown, row))} |" for row in rows]
    return "\n".join(lines)


def _picked(rows: Iterable[Result], columns: dict[str, str]) -> str:
    """A table of what rows have by these names, under the heads before them."""
    return _table(list(columns), [[row[name] for name in columns.values()] for row in rows])


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float | int) and not isinstance(value, bool):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value).replace("|", "\\|")


def _fanout(result: Result) -> str:
    rows = [
        (
            f"{row['server']}, {row['sets']} sets, {row['load']}",
            row["clients"],
            row["updates_per_second"],
            row["server_cpu_per_update"] * 1e6,
            row["server_cpu_per_frame"] * 1e6,
            row["latency_p50"],
            row["latency_p99"],
        )
        for row in result["rows"]
    ]
    heads = (
        "Server",
        "clients",
        "updates/s",
        "µs of CPU an update",
        "an own frame",
        "p50 ms",
        "p99 ms",
    )
    targets = _table(
        ("Target", "measured", "wanted", "verdict"),
        (
            (
                one["name"],
                one["measured"],
                f"{'≥' if one['at_least'] else '≤'} {_shown(one['limit'])}",
                one["verdict"],
            )
            for one in result["targets"]
        ),
    )
    ratios = _table(
        ("Others, by what ours costs", "times as much CPU"), sorted(result["ratios"].items())
    )
    return "\n\n".join((_table(heads, rows), targets, ratios))


def _ingest(result: Result) -> str:
    return _picked(
        result["rows"],
        {
            "Way": "way",
            "sent/s": "sent_per_second",
            "recorded/s": "recorded_per_second",
            "µs of CPU a quote": "server_cpu",
            "p50 ms": "latency_p50",
            "p99 ms": "latency_p99",
            "lost": "lost",
            "verdict": "verdict",
        },
    )


def _cluster(result: Result) -> str:
    capacity, bus, takeover = result["capacity"], result["bus"], result["takeover"]
    rows = [
        ("updates/s of one node, alone", median(capacity["single"])),
        ("a node that fetches, beside another: of that", median(capacity["fetching_ratio"])),
        ("a node that stands by: of that", median(capacity["standing_by_ratio"])),
        ("µs of CPU a quote: one node", median(bus["single"])),
        ("the node that fetches", median(bus["fetching"])),
        ("the node that hears of it", median(bus["standing_by"])),
        ("NATS", median(bus["nats"])),
        ("ms to the other node, p50", result["propagation"]["p50_ms"]),
        ("ms to the other node, p99", result["propagation"]["p99_ms"]),
        ("seconds without fresh prices when who fetches is killed, p50", takeover["p50_seconds"]),
        ("the longest of these", takeover["most_seconds"]),
    ]
    return _table(("What", "measured"), rows)


def _history(result: Result) -> str:
    rates = _picked(
        result["rates"], {"Recording": "what", "ticks": "ticks", "ticks/s": "ticks_per_second"}
    )
    latencies = _picked(
        result["latencies"],
        {
            "Query": "what",
            "ticks/s recorded meanwhile": "recording",
            "rows": "rows",
            "p50 ms": "p50",
            "p99 ms": "p99",
        },
    )
    return f"{rates}\n\n{latencies}"


def _storm(result: Result) -> str:
    return _picked(
        result["rows"],
        {
            "Newcomers": "name",
            "clients there": "clients",
            "newcomers": "count",
            "admitted/s": "rate",
            "refused": "refused",
            "lost": "lost",
            "others' p99 ms before": "before_p99",
            "meanwhile": "p99",
        },
    )


def _hostile(result: Result) -> str:
    rows = [
        (f"round {number}, {one['when']}", one["there"], one["p50"], one["p99"], one["max"])
        for number, round_ in enumerate(result["rounds"], 1)
        for one in round_["times"]
    ]
    table = _table(("The good clients' delays", "clients", "p50 ms", "p99 ms", "max ms"), rows)
    return f"Verdict: {result['verdict']}.\n\n{table}"


def _runtime(result: Result) -> str:
    taken = result["seconds_per_operation"]
    operations = list(next(iter(taken.values())))
    rows = [
        (operation, *(_microseconds(taken[runtime].get(operation)) for runtime in taken))
        for operation in operations
    ]
    return _table(("µs an operation", *taken), rows)


def _microseconds(rounds: list[list[float]] | None) -> float | None:
    return median(one[0] for one in rounds) * 1e6 if rounds else None


def _tracing(result: Result) -> str:
    rows = [
        (share, cost, result["to_off"][share]) for share, cost in result["us_per_update"].items()
    ]
    return _table(("Traced", "µs of CPU an update", "to none"), rows)


_PARTS: dict[str, tuple[str, str, Callable[[Result], str]]] = {
    "fanout": (
        "Prices to many clients",
        "The server beside others that broadcast what ours sends, on the same core in one run.",
        _fanout,
    ),
    "ingest": (
        "The whole way of a price",
        "From a provider's socket to clients and into PostgreSQL.",
        _ingest,
    ),
    "cluster": ("Several nodes", "Two and three nodes over NATS.", _cluster),
    "history": ("History", "Recording and asking, on the embedded PostgreSQL.", _history),
    "storm": ("Newcomers", "Clients that come beside those that are there.", _storm),
    "hostile": ("Bad clients", "Good clients beside bad ones of four kinds.", _hostile),
    "runtime": (
        "The runtime",
        "`supervision` beside bare channels of trio and other runtimes.",
        _runtime,
    ),
    "tracing": ("Traces", "What they cost the fan-out.", _tracing),
}
