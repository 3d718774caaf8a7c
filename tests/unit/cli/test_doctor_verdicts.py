"""What `stockstream doctor` makes of facts: each kind of trouble is named, with what to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from stockstream.cli.doctor.backups import judge_backups, judge_folder, later
from stockstream.cli.doctor.bus import judge_nats
from stockstream.cli.doctor.clock import Clocks, judge_clock
from stockstream.cli.doctor.database import (
    judge_files,
    judge_replica,
    judge_server,
    judge_trouble,
)
from stockstream.cli.doctor.findings import Result, exit_code, info, ok, warning, worst_of
from stockstream.cli.doctor.installed import judge_packages, judge_python, read_lock
from stockstream.cli.doctor.machine import Disk, judge_disk, judge_open_files, judge_port
from stockstream.cli.doctor.names import is_here, is_name, judge_names
from stockstream.cli.doctor.node import (
    Incidents,
    Node,
    Overview,
    Restart,
    judge_node,
    judge_spool,
    judge_upstream,
)
from stockstream.cli.doctor.provider import Asked, judge_asked
from stockstream.cli.doctor.public import Certificate, Way, judge_certificates, judge_way
from stockstream.cli.doctor.secrets import judge_modes, judge_values
from stockstream.cli.doctor.traces import Sent, judge_collector
from stockstream.database.backup_notes import BackupNotes
from stockstream.database.backups.manifest import Found, Manifest
from stockstream.database.schema_version import SchemaVersion
from stockstream.decoding import from_json
from stockstream.history.inspection import ServerFacts
from stockstream.jobs.schedule import Every
from stockstream.quotes import Observation, parse_symbol
from stockstream.times import DAY_MS
from web.server import PortTaken

if TYPE_CHECKING:
    from stockstream.cli.doctor.findings import Finding

NOW = 1_795_000_000_000
GB = 1_000_000_000
HERE = Path("/data")
RANDOM = "J3kQ-p9_xTzv8RfLw2MbYhUe"
SCHEMA = SchemaVersion("0015")
SERVER = ServerFacts("18.1", False, False, "public", SCHEMA, 97, 3, 0.0, True, (), None)
KNOWN = ["0014", "0015"]
NEWER = SchemaVersion("0099")
AAPL = Observation(parse_symbol("AAPL"), 150.25, NOW - 1_000)
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
WAY = Way("https://p.example", None, 200, True, True, "n1", None)


def replaced(facts: ServerFacts, **changes: object) -> ServerFacts:
    return ServerFacts(**{**{n: getattr(facts, n) for n in facts.__struct_fields__}, **changes})


def server(**changes: object) -> Finding:
    return judge_server(replaced(SERVER, **changes), KNOWN, 8, 7.0, NOW)


def way(**changes: object) -> Finding:
    fields = {name: getattr(WAY, name) for name in WAY.__struct_fields__}
    return judge_way(Way(**{**fields, **changes}), "n1")


def sent(**changes: object) -> Finding:
    fields = {"setting": ENDPOINT, "url": "http://h:4318/v1/traces", **changes}
    return judge_collector(msgspec.convert(fields, Sent))


def clock(*ahead: float) -> Finding:
    return judge_clock({f"w{number}": seconds for number, seconds in enumerate(ahead)})


def folder(
    *, free: int = 9 * GB, trouble: str | None = None, ended: int = NOW, bad: str | None = None
) -> Finding:
    made = Manifest(
        "a", "full", None, ended, ended, "1", "18", 18, None, None, None, None, {}, 2 * GB, {}
    )
    found = [Found("a", made)] + ([] if bad is None else [Found("x", None, bad)])
    return judge_folder(Disk(HERE, True, free, trouble=trouble), found, Every(3600), NOW)


BACKUPS = [
    (judge_backups(BackupNotes(), NOW), "info", "none is noted", "db backup"),
    (judge_backups(BackupNotes(NOW - 9 * DAY_MS), NOW), "warning", "9 days old", "a timer"),
    (judge_backups(BackupNotes(NOW - DAY_MS), NOW), "info", "none was restored", "db restore"),
    (folder(trouble="read-only"), "failed", "read-only", "BACKUP_DIRECTORY"),
    (folder(free=GB), "warning", "1,000 MB free, and the largest", "BACKUP_KEEP"),
    (folder(ended=NOW + DAY_MS), "info", "no whole backup", "jobs run backups"),
    (folder(ended=NOW - DAY_MS), "warning", "24.0 hours old, and BACKUP_SCHEDULE is every", "show"),
    (folder(bad="x is no whole backup"), "info", "x is no whole backup", "remove"),
]


def test_of_what_is_noted_twice_the_later_one_counts() -> None:
    """Here, and in the database by whichever node."""
    assert later(BackupNotes(5, None), BackupNotes(3, 4), 9) == BackupNotes(5, 4)
    assert later(BackupNotes(), BackupNotes(), 9) == BackupNotes()


def test_a_note_of_a_clock_that_was_ahead_hides_no_other() -> None:
    """Neither of them, in the file of an older program or in the database."""
    ahead = NOW + DAY_MS
    assert later(BackupNotes(ahead, 4), BackupNotes(3, ahead), NOW) == BackupNotes(3, 4)
    assert later(BackupNotes(NOW), BackupNotes(None, ahead), NOW) == BackupNotes(NOW)


def test_a_note_by_a_clock_that_is_a_little_ahead_is_of_now() -> None:
    """Else a backup that was just noted in a database on another machine would be none."""
    assert later(BackupNotes(), BackupNotes(NOW + 2_000, None), NOW) == BackupNotes(NOW)


DENIED = PermissionError(13, "cannot listen")
WRONG = [
    *BACKUPS,
    (
        judge_packages({"httpx": {"0.28.1": True}}, {"httpx": "0.27"}),
        "warning",
        "httpx 0.27, not 0",
        "bootstrap",
    ),
    (judge_packages({"httpx": {"0.28.1": True}}, {}), "warning", "httpx is missing", "bootstrap"),
    (judge_values({"ADMIN_TOKEN": "changeme-changeme"}), "warning", "'change'", "token_urlsafe"),
    (judge_values({"ADMIN_TOKEN": "aaaaaaaaaaaaaaaab"}), "warning", "2 different", "token_urlsafe"),
    (judge_values({"A": RANDOM, "B": RANDOM}), "warning", "A and B are the same", "of its own"),
    (judge_modes({".env": 0o100644}), "warning", "every user", "chmod o-rwx"),
    (
        judge_disk(Disk(HERE, True, trouble="/data: Read-only file system"), GB),
        "failed",
        "Read-only",
        "DATA_DIRECTORY",
    ),
    (judge_disk(Disk(HERE, True, 4_000_000), GB), "failed", "4 MB free", "make room"),
    (
        judge_disk(Disk(HERE, True, GB // 2), GB),
        "warning",
        "SPOOL_SIZE may take 1.0 GB",
        "SPOOL_SIZE",
    ),
    (judge_disk(Disk(HERE, True, 9 * GB, 0.7), GB), "warning", "takes 700 ms", "faster disk"),
    (
        judge_disk(Disk(HERE, True, 9 * GB, 0.0, 0, 7), GB),
        "warning",
        "belongs to user 0",
        "as the user",
    ),
    (judge_open_files(1024, 20_000, chosen=True), "warning", "768 clients", "LimitNOFILE"),
    (judge_open_files(1024, 20_000, chosen=False), "info", "768 clients", "ulimit"),
    (judge_port(PortTaken("::1", 4000), 4000, "PORT", ours=False), "failed", "taken", "ss -ltnp"),
    (judge_port(DENIED, 80, "PORT", ours=False), "failed", "may not listen on 80", "1024"),
    (judge_port(OSError("no address x"), 80, "PORT", ours=False), "failed", "no address", "HOST"),
    (
        judge_names({"a.b": "PROVIDERS"}, {"a.b": "not known"}),
        "failed",
        "a.b of PROVIDERS",
        "resolv",
    ),
    (clock(100, 99), "failed", "99.5 s behind", "set-ntp"),
    (clock(-4), "warning", "4.0 s ahead", "set-ntp"),
    (clock(0, 0.4, 900), "warning", "not by w2", "the clock there"),
    (judge_files("17", None), "failed", "made by PostgreSQL 17", "DATABASE_URL"),
    (judge_files("18", "PANIC: no space"), "warning", "PANIC: no space", "postgres.log"),
    (
        judge_trouble("DATABASE_URL: h refuses user 'u': wrong user or password"),
        "failed",
        "refuses",
        "pg_hba",
    ),
    (
        judge_trouble("DATABASE_URL: there is no database 'd' at h"),
        "failed",
        "no database",
        "createdb",
    ),
    (judge_trouble("DATABASE_URL: h takes no more connections"), "failed", "no more", "max_conn"),
    (
        judge_trouble("DATABASE_URL: h is starting up or shutting down"),
        "warning",
        "starting",
        "again",
    ),
    (server(standby=True), "failed", "standby", "target_session_attrs=read-write"),
    (server(read_only=True), "failed", "read-only", "default_transaction_read_only"),
    (server(version=SchemaVersion("0014")), "warning", "0014, and 0015", "db migrate"),
    (server(version=NEWER), "failed", "0099, and this program knows 0015", "newer program"),
    (server(version=NEWER._replace(usable_from="0015")), "warning", "may use it", "is mended"),
    (server(version=SchemaVersion(None)), "info", "no tables", "db migrate"),
    (server(may_create=False), "failed", "may make no tables", "GRANT CREATE"),
    (server(may_create=False, schema=""), "failed", "search_path", "GRANT CREATE"),
    (server(foreign=("a", "b", "c", "d")), "failed", "own a, b, c and 1 more", "OWNER TO"),
    (server(most=5), "failed", "wants 8 connections, and this user may have 5", "max_connections"),
    (server(others=92), "warning", "others leave 5 of 97", "DATABASE_POOL_SIZE"),
    (server(oldest_day=NOW // DAY_MS - 30), "warning", "oldest ticks are of 2026-1", "retention"),
    (judge_replica(SERVER, 4), "warning", "no replica", "standby"),
    (
        judge_nats("h:4222", 0, "nats: 'Authorization Violation'"),
        "failed",
        "Authoriz",
        "CREDENTIALS",
    ),
    (judge_nats("h:4222", 0, "nats: secure connection required"), "failed", "secure", "tls://"),
    (judge_nats("h:4222", 0, "Connection refused"), "failed", "refused", "CLUSTER_NATS_URL"),
    (judge_nats("h:4222", 1_000, None), "warning", "1,000 bytes only", "max_payload"),
    (sent(installed=False), "failed", "not installed", "stockstream[tracing]"),
    (sent(protocol="grpc"), "warning", "is grpc", "4318"),
    (sent(trouble="Connection refused"), "failed", "refused", ENDPOINT),
    (sent(url="http://h:4317/v1/traces", trouble="odd"), "failed", "odd", "port of gRPC"),
    (sent(status=401), "failed", "answers 401", "OTLP_HEADERS"),
    (sent(status=404), "failed", "answers 404", "/v1/traces is appended"),
    (
        judge_asked(Asked(trouble="status 401", fatal=True), NOW, "US_API_KEY"),
        "failed",
        "refuses us",
        "US_API_KEY",
    ),
    (
        judge_asked(Asked(trouble="status 500", said="oops"), NOW, None),
        "failed",
        "(it says: oops)",
        "docs/feeds.md",
    ),
    (
        judge_asked(Asked(let_in=True, rejects=6, reject="no price"), NOW, None),
        "failed",
        "none of 6",
        "providers.md",
    ),
    (
        judge_asked(Asked(let_in=True, refused=("X (unknown)",)), NOW, None),
        "failed",
        "X (unknown)",
        "SYMBOLS",
    ),
    (judge_asked(Asked(), NOW, None), "failed", "does not let us in", "providers try"),
    (judge_asked(Asked(let_in=True), NOW, None), "info", "told no price", ""),
    (
        judge_asked(Asked(2, AAPL, 1, "no price"), NOW, None),
        "warning",
        "1 items cannot",
        "feeds.md",
    ),
    (
        judge_asked(Asked(1, AAPL, refused=("X (unknown)",)), NOW, None),
        "warning",
        "refuses X",
        "SYMBOLS",
    ),
    (judge_asked(Asked(1, AAPL), NOW - 60_000, None), "warning", "59.0 s in the future", "clock"),
    (judge_asked(Asked(1, AAPL), NOW + DAY_MS, None), "info", "market is closed", ""),
    (way(trouble="certificate has expired"), "failed", "has expired", "proxies.md"),
    (way(status=421, is_ours=False), "failed", "not known as p.example", "ALLOWED_HOSTS"),
    (way(status=502, is_ours=False), "failed", "answers 502", "where the proxy leads"),
    (way(status=404, is_ours=False), "failed", "answers 404, and is not", "BASE_PATH"),
    (way(node=None, refused="it answered 400"), "failed", "its WebSocket does not", "upgrades"),
    (way(node="n2"), "warning", "leads to the node n2", "PUBLIC_URL"),
    (way(stays_with_tls=False), "warning", "does not know that", "TRUSTED_PROXIES"),
    (
        judge_certificates([Certificate("h", NOW - DAY_MS)], NOW),
        "failed",
        "ended 1.0 days",
        "renew",
    ),
    (judge_certificates([Certificate("h", NOW + DAY_MS)], NOW), "warning", "ends in 1.0", "renew"),
]


@pytest.mark.parametrize(
    ("finding", "result", "words", "do"), WRONG, ids=[f"{words[:40]}" for _, _, words, _ in WRONG]
)
def test_what_is_wrong_is_named_with_what_to_do(
    finding: Finding, result: str, words: str, do: str
) -> None:
    """One line that names the trouble, and one that helps."""
    assert finding.result == result, finding
    assert words in finding.message
    assert "\n" not in finding.message
    if result in {"failed", "warning"}:
        assert finding.do
    assert do in (finding.do or "")


@pytest.mark.parametrize(
    "finding",
    [
        judge_python((3, 11, 9)),
        judge_packages({"a": {"1": False, "2": False}, "b": {"1": False}}, {"a": "2"}),
        judge_values({"ADMIN_TOKEN": RANDOM}),
        judge_modes({".env": 0o100640}),
        judge_disk(Disk(HERE, True, 9 * GB), GB),
        judge_disk(Disk(HERE, True, 9 * GB, 0.0, 7, 0), GB),
        judge_open_files(None, 20_000, chosen=True),
        judge_port(None, 4000, "PORT", ours=False),
        judge_port(PortTaken("::1", 4000), 4000, "PORT", ours=True),
        judge_names({"a.b": "PROVIDERS"}, {"a.b": None}),
        clock(0.4, -0.9),
        judge_files("18", "LOG: shut down"),
        server(),
        server(oldest_day=NOW // DAY_MS - 8),
        judge_replica(replaced(SERVER, standby=True), 4),
        judge_nats("h:4222", 1_048_576, None),
        sent(status=200),
        judge_asked(Asked(1, AAPL), NOW, None),
        way(),
        judge_certificates([Certificate("h", NOW + 90 * DAY_MS)], NOW),
        judge_backups(BackupNotes(NOW - DAY_MS, NOW - 30 * DAY_MS), NOW),
        folder(),
    ],
)
def test_what_is_well_is_told_so(finding: Finding) -> None:
    """Nothing is to be done then."""
    assert (finding.result, finding.do) == (Result.OK, None), finding


def test_a_newer_python_is_no_fault() -> None:
    """It may work; nobody has tried."""
    assert judge_python((3, 99, 0)).result is Result.INFO


def test_a_lock_file_is_read_with_its_markers() -> None:
    """A package may be locked in two versions, each for some machines."""
    lock = (
        "a==1 ; python_full_version < '3.13'\na==2 ; python_full_version >= '3.13'\nB_c==3\n# d\n"
    )
    assert read_lock(lock) == {"a": {"1": False, "2": False}, "b-c": {"3": True}}


NODE = {
    "node": "n1",
    "upstreams": [
        {
            "name": "api",
            "feed": {"state": "down", "reason": "status 500"},
            "breaker": {"status": {"state": "open"}},
        }
    ],
    "history": {"ok": False, "reason": "no database", "recorder": {"spooled": 4}},
    "process": {"before": {"how": None}, "samples": [{"lag_ms": 1.0}, {"lag_ms": 900.0}]},
}


def running(restarts: int = 0) -> Node:
    overview = from_json(msgspec.json.encode(NODE), Overview)
    incidents = Incidents([Restart("market/streamer", "killed")] * restarts)
    return Node("http://x", lives=True, overview=overview, incidents=incidents)


def test_a_running_server_is_judged_by_what_it_says() -> None:
    """Its breaker, its restarts, its run loop, and what waits on its disk."""
    node = running(restarts=21)
    said = judge_node(node)
    assert said.result is Result.WARNING
    assert "21 restarts in ten minutes, 21 of market/streamer" in said.message
    assert "up to 900 ms, in 1 of the last 2 seconds" in said.message
    spool = judge_spool(node)
    assert (spool.result, "no database; 4 batches" in spool.message) == (Result.FAILED, True)
    upstream = judge_upstream(node.upstreams["api"])
    assert upstream.result is Result.FAILED
    assert "down: status 500; the breaker is open" in upstream.message


def test_a_server_that_is_not_there_or_does_not_let_us_look() -> None:
    """The one is no fault, and the other can be mended."""
    assert judge_node(Node("http://x", trouble="refused")).result is Result.SKIPPED
    assert judge_spool(Node("http://x", trouble="refused")).result is Result.SKIPPED
    closed = judge_node(Node("http://x", lives=True, trouble="no token", do="give --token"))
    assert (closed.result, closed.do) == (Result.WARNING, "give --token")


def test_a_date_of_whole_seconds_is_taken_for_its_middle() -> None:
    """And our clock, for the middle of question and answer."""
    clocks = Clocks()
    clocks.saw_date("api", 10_000, 10_400, 10_600)
    assert clocks.ahead == {"api": 0.0}


def test_the_worst_of_findings_counts_and_says_all_that_is_so_bad() -> None:
    """What is to be done twice is said once."""
    both = worst_of([ok("fine"), warning("one", "mend"), info("hm"), warning("two", "mend")])
    assert both == warning("one; two", "mend")


@pytest.mark.parametrize(
    ("results", "strict", "code"),
    [
        ([Result.OK, Result.INFO, Result.SKIPPED], True, 0),
        ([Result.OK, Result.WARNING], False, 0),
        ([Result.OK, Result.WARNING], True, 1),
        ([Result.OK, Result.FAILED], False, 1),
    ],
)
def test_exit_codes(results: list[Result], strict: bool, code: int) -> None:
    """A warning counts where that is asked for."""
    assert exit_code(results, strict=strict) == code


def test_which_hosts_are_names_and_which_are_here() -> None:
    """An address needs no resolver, nor does a socket."""
    assert is_name("db.example")
    assert not any(
        map(is_name, ("10.0.0.1", "::1", "localhost", "/run/postgresql", "fe80::1%eth0"))
    )
    assert all(map(is_here, ("127.0.0.9", "::1", "a.localhost", "/run/postgresql")))
    assert not any(map(is_here, ("10.0.0.1", "db.example")))
