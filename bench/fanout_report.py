"""The figures of a measurement, the table, and the targets they are held against."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanout_measures import Result, Window

LATENCY_SLACK_MS = 25.0
SHARED = 0.05
"""From this share of waiting on, a rate or a latency tells of the machine, not of the server."""
RATE = "25 Hz"
"""The load at which all servers are compared: so many broadcasts a second."""
HALF_LOAD = "half load"
FLOOR_TIMES = 2.0
"""So many times the floor's cost a frame may have, and a latency that the floor misses too."""


def disturbance(window: Window) -> float:
    """The share of a window that others took of a core: the larger of the two."""
    return max(window.server_waited, window.client_waited)


@dataclass(frozen=True, slots=True)
class Figures:
    """One row: each figure is the median of the windows; CPU in seconds, latency in ms.

    Windows that others disturbed are left out if there are some that they did not; `windows` says
    how many are left. The shares are of a window: what a process used of its core, and what others
    took of it while the process wanted it.
    """

    server: str
    sets: str
    clients: int
    set_size: tuple[int, int]
    load: str
    interval: float
    flush_interval: float
    windows: int
    updates_per_second: float
    frames_per_second: float
    other_frames_per_second: float
    frame_bytes: float
    server_cpu_per_update: float
    server_cpu_per_frame: float
    server_cpu_share: float
    server_waited: float
    client_cpu_per_frame: float
    client_cpu_share: float
    client_waited: float
    latency_p50: float
    latency_p99: float
    latency_max: float
    frames_per_client_least: float
    frames_per_client_most: float
    kb_per_client: float
    connects_per_second: float
    connect_cpu: float
    frames_checked: int

    @classmethod
    def of(
        cls,
        results: Sequence[Result],
        *,
        server: str,
        sets: str,
        clients: int,
        set_size: tuple[int, int],
        load: str,
        interval: float,
        flush_interval: float,
    ) -> Figures:
        """Take the medians of the windows."""
        all_windows = [window for result in results for window in result.windows]
        windows = [w for w in all_windows if disturbance(w) <= SHARED] or all_windows
        return cls(
            server=server,
            sets=sets,
            clients=clients,
            set_size=set_size,
            load=load,
            interval=interval,
            flush_interval=flush_interval,
            windows=len(windows),
            updates_per_second=median(w.updates / w.seconds for w in windows),
            frames_per_second=median(w.frames / w.seconds for w in windows),
            other_frames_per_second=median(w.other_frames / w.seconds for w in windows),
            frame_bytes=median(w.bytes / w.frames for w in windows),
            server_cpu_per_update=median(w.server_cpu / w.updates for w in windows),
            server_cpu_per_frame=median(w.server_cpu / w.frames for w in windows),
            server_cpu_share=median(w.server_cpu / w.seconds for w in windows),
            server_waited=median(w.server_waited for w in windows),
            client_cpu_per_frame=median(w.client_cpu / w.frames for w in windows),
            client_cpu_share=median(w.client_cpu / w.seconds for w in windows),
            client_waited=median(w.client_waited for w in windows),
            latency_p50=median(w.latency_p50 for w in windows),
            latency_p99=median(w.latency_p99 for w in windows),
            latency_max=median(w.latency_max for w in windows),
            frames_per_client_least=median(w.frames_per_client[0] for w in windows),
            frames_per_client_most=median(w.frames_per_client[1] for w in windows),
            kb_per_client=median(r.memory for r in results) / 1000,
            connects_per_second=median(clients / r.connect_seconds for r in results),
            connect_cpu=median(r.connect_cpu / clients for r in results),
            frames_checked=sum(r.checked for r in results),
        )

    @property
    def disturbance(self) -> float:
        """The share that others took of a core: the larger of the two."""
        return max(self.server_waited, self.client_waited)

    @property
    def updates_per_core(self) -> float:
        """Updates per second of CPU: what a core of its own would carry."""
        return 1 / self.server_cpu_per_update

    def fields(self) -> dict[str, object]:
        """For JSON; numbers rounded to what they are good for."""
        plain = {**asdict(self), "updates_per_core": self.updates_per_core}
        return {
            name: float(f"{value:.4g}") if isinstance(value, float) else value
            for name, value in plain.items()
        }


HEAD = (
    "server       sets   clients symbols  load       updates/s  frames/s   others  us/upd us/frame"
    "  upd/s/core    p50    p99    max ms  KB/cl  CPU wait  client us/frame"
)


def print_head() -> None:
    """Print the head of the table."""
    print(HEAD)


def print_row(row: Figures) -> None:
    """Print a row of the table."""
    least, most = row.set_size
    size = str(most) if least == most else f"{least}-{most}"
    print(
        f"{row.server:12} {row.sets:6} {row.clients:7} {size:>7}  {row.load:9} "
        f"{row.updates_per_second:10,.0f} {row.frames_per_second:9,.0f} "
        f"{row.other_frames_per_second:8,.0f} "
        f"{row.server_cpu_per_update * 1e6:7.2f} {row.server_cpu_per_frame * 1e6:8.1f} "
        f"{row.updates_per_core:11,.0f} "
        f"{row.latency_p50:6.1f} {row.latency_p99:6.1f} {row.latency_max:6.1f}    "
        f"{row.kb_per_client:6.1f} {row.server_cpu_share:4.0%} {row.disturbance:4.0%} "
        f"{row.client_cpu_per_frame * 1e6:6.1f} ({row.client_cpu_share:.0%})",
        flush=True,
    )


@dataclass(frozen=True, slots=True)
class Target:
    """A figure to reach. `at_least` says on which side of `limit` the good values are."""

    name: str
    measured: float
    limit: float
    at_least: bool
    waited: float = 0.0
    """For what depends on having the core to itself: the share of it that others took."""
    floor: float | None = None
    """What the floor measured: where it misses `limit`, whoever sends each client a frame does."""

    @property
    def met(self) -> bool:
        """Whether it is reached."""
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    @property
    def verdict(self) -> str:
        """`met`, `MISSED`, or why a miss says nothing of the server.

        `shared`: others used the core. `floor`: the floor misses it too, and we are within
        `FLOOR_TIMES` of it.
        """
        if self.met:
            return "met"
        if self.waited > SHARED:
            return "shared"
        within = self.floor is not None and self.limit < self.floor >= self.measured / FLOOR_TIMES
        return "floor" if within else "MISSED"

    def fields(self) -> dict[str, object]:
        """For JSON."""
        return {**asdict(self), "measured": float(f"{self.measured:.4g}"), "verdict": self.verdict}


def _row(rows: Sequence[Figures], **wanted: object) -> Figures | None:
    for row in rows:
        if all(getattr(row, name) == value for name, value in wanted.items()):
            return row
    return None


def ratios(rows: Sequence[Figures]) -> dict[str, float]:
    """CPU of the peers over ours.

    `frame: X (n)` is for the same frame of n updates; `update: X` lets the peer send each update
    in a frame of its own, as one does with a server that does not collect them.
    """
    found: dict[str, float] = {}
    batched = _row(rows, server="stockstream", load=RATE, set_size=(20, 20))
    for row in rows:
        if row.server == "stockstream" or row.load != RATE:
            continue
        ours = _row(rows, server="stockstream", load=RATE, set_size=row.set_size)
        if ours is not None:
            name = f"frame: {row.server} ({row.set_size[1]})"
            found[name] = round(row.server_cpu_per_frame / ours.server_cpu_per_frame, 2)
        if batched is not None and row.set_size == (1, 1):
            ratio = row.server_cpu_per_update / batched.server_cpu_per_update
            found[f"update: {row.server}"] = round(ratio, 1)
    return found


def targets(rows: Sequence[Figures]) -> list[Target]:
    """The targets for which there are figures."""
    found: list[Target] = []
    for name, most, wanted, cost, limit in (
        ("equal sets of 20", 20, 1_000_000, 1.0, "equal"),
        ("different sets of 20 of 400", 20, 500_000, 2.0, "mixed"),
        ("different sets of 20 to 400 of 400", 400, 500_000, 2.0, "mixed"),
    ):
        row = _row(rows, sets=limit, clients=1_000, set_size=(20, most), load="flat out")
        if row is not None:
            found += [
                Target(
                    f"{name}: updates/s as it was",
                    row.updates_per_second,
                    wanted,
                    True,
                    row.disturbance,
                ),
                Target(f"{name}: updates/s of a whole core", row.updates_per_core, wanted, True),
                Target(f"{name}: us per update", row.server_cpu_per_update * 1e6, cost, False),
            ]
    for row in rows:
        if row.server == "stockstream" and row.load == HALF_LOAD:
            name = f"{row.sets} sets, {row.clients} clients, half load: p99 in ms"
            limit_ms = 1000 * row.flush_interval + LATENCY_SLACK_MS
            floor = _row(rows, server="floor", load=HALF_LOAD, sets=row.sets, clients=row.clients)
            least = floor.latency_p99 if floor and floor.disturbance <= SHARED else None
            found.append(Target(name, row.latency_p99, limit_ms, False, row.disturbance, least))
    for row in rows:
        if row.sets == "crowd":
            name = f"KB per client, {row.clients} clients"
            found.append(Target(name, row.kb_per_client, 32.0, False))
    by_name = ratios(rows)
    for size in (20, 1):
        floor = by_name.get(f"frame: floor ({size})")
        if floor is not None and _row(rows, server="floor", load=RATE, clients=1_000) is not None:
            found.append(
                Target(f"CPU per frame of {size} over the floor", 1 / floor, FLOOR_TIMES, False)
            )
    for server, times in (("starlette", 20.0), ("websockets", 5.0)):
        ratio = by_name.get(f"update: {server}")
        if ratio is not None:
            found.append(Target(f"CPU per update, {server} over ours", ratio, times, True))
    return found


def print_targets(judged: Sequence[Target], skipped: Sequence[str]) -> None:
    """Print what was to be reached, and whether it was."""
    print()
    for target in judged:
        sign = ">=" if target.at_least else "<="
        waited = f"; others had a core {target.waited:.0%} of the time" * (target.waited > SHARED)
        floor = f"; the floor: {target.floor:,.2f}" if target.floor is not None else ""
        print(
            f"{target.verdict:7} {target.name}: {target.measured:,.2f} "
            f"({sign} {target.limit:,.10g}{waited}{floor})"
        )
    for name in dict.fromkeys(skipped):
        print(f"skipped {name}: what it needs is not here")
