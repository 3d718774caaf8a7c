"""`stockstream db` as a process, on a real PostgreSQL: what it does, says and ends with."""

from __future__ import annotations

import json
import os
import pty
import re
import secrets
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from stockstream.cli import main
from stockstream.database import migrations
from stockstream.database.backup_notes import read_notes
from stockstream.database.embedded.programs import program
from stockstream.database.own_tables import OWN_TABLES, is_own
from stockstream.history.partitions import name as partition
from stockstream.times import DAY_MS, now_ms, to_datetime
from tests.integration.cli.exports import exporting, wait_until_begun
from tests.support.database import PostgresServer, psql

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.cli.conftest import Ended

    Run = Callable[..., Ended]

NEWEST = migrations.versions()[-1]
YESTERDAY = now_ms() // DAY_MS - 1
TICKS = "SELECT t FROM ticks t ORDER BY symbol, ts, epoch, seq"
TICKS_OF_THE_FIRST = """SELECT symbol, exchange, price, ts, received, epoch, seq FROM ticks
ORDER BY symbol, ts, epoch, seq"""
"""Without the columns that later versions of the schema added."""
TICKS_WHOLE = "SELECT t FROM ticks t ORDER BY t"
CANDLES = 'SELECT c FROM candles c ORDER BY "interval", symbol, start'
MINUTES = """SELECT c FROM candles c WHERE "interval" = '1m' ORDER BY symbol, start"""
PEAK_GROWTH_KB = 7_000
"""What the allocator may add; 50,000 ticks held in memory are over 10 MB."""


@pytest.fixture
def db(stockstream: Run, database_url: str) -> Run:
    """Run `stockstream db ARGUMENTS`, on a database of the test's own unless told another."""

    def run(*arguments: str, url: str = database_url, **more: str) -> Ended:
        return stockstream("db", *arguments, DATABASE_URL=url, **more)

    return run


def put_ticks(url: str, count: int, *, day: int = YESTERDAY, symbols: int = 3) -> None:
    """Ticks of some symbols, ten a second from the beginning of a day, in its partition."""
    start, end = to_datetime(day * DAY_MS), to_datetime((day + 1) * DAY_MS)
    psql(
        url,
        f"CREATE TABLE IF NOT EXISTS {partition('ticks', day)} PARTITION OF ticks "
        f"FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')",
    )
    psql(
        url,
        f"INSERT INTO ticks SELECT 'S' || n % {symbols}, 'SIM', 100 + n % 700 * 0.01, at, at, 7, n "
        "FROM (SELECT n, "
        f"'{start.isoformat()}'::timestamptz + n * interval '100 ms' AS at "
        f"FROM generate_series(0, {count - 1}) n) AS made",
    )


def document(ended: Ended) -> dict[str, Any]:
    """What `--json` printed, and nothing was said beside it."""
    assert (ended.code, ended.err) == (0, "")
    found: dict[str, Any] = json.loads(ended.out)
    assert found.pop("schema_version") == 1
    return found


def line(ended: Ended, code: int) -> str:
    """The one line of an error; nothing is on standard output."""
    assert (ended.code, ended.out) == (code, ""), ended
    assert re.fullmatch(r"stockstream: .+\n", ended.err), ended.err
    return ended.err


# The schema


@pytest.mark.proves("H3")
def test_the_schema_goes_up_and_down_by_command(db: Run, empty_database_url: str):
    """Status tells where it is and what to do; what destroys wants --yes."""

    def here(*arguments: str) -> Ended:
        return db(*arguments, url=empty_database_url)

    assert f"schema   none; newest is {NEWEST}: stockstream db migrate" in here("status").out
    up = document(here("migrate", "--json"))
    assert up["done"] == [f"applied {version}" for version in migrations.versions()]
    assert here("migrate").out == "nothing to do\n"
    assert document(here("status", "--json"))["schema"] == NEWEST
    assert document(here("rollback", "--yes", "--json"))["done"] == [f"rolled back {NEWEST}"]
    here("rollback", "--to", "base", "--yes")
    assert psql(empty_database_url, "SELECT to_regclass('ticks')") == ""


@pytest.mark.proves("H3")
def test_migrate_never_goes_down(db: Run, database_url: str):
    """An older version is refused with the command that does it, and so is a rollback upwards."""
    first = migrations.versions()[0]
    if first == NEWEST:
        pytest.skip("there is one version only")
    assert "stockstream db rollback" in line(db("migrate", "--to", first), 2)
    assert db("rollback", "--to", first, "--yes").code == 0
    assert "stockstream db migrate" in line(db("rollback", "--to", NEWEST, "--yes"), 2)


@pytest.mark.proves("H3")
@pytest.mark.parametrize("command", ["migrate", "export"])
def test_a_newer_schema_is_left_alone(command: str, db: Run, database_url: str):
    """A program that does not know it says so and touches nothing."""
    psql(database_url, "UPDATE alembic_version SET version_num = '9999'")
    psql(database_url, "COMMENT ON TABLE alembic_version IS 'usable from 9999'")
    assert "9999" in line(db(*command.split()), 1)
    assert psql(database_url, "SELECT version_num FROM alembic_version") == "9999"


# Where the database is


@pytest.mark.proves("H1", "H20")
def test_without_a_setting_the_embedded_server_is_used(stockstream: Run, tmp_path: Path):
    """It is started for a command and stopped again; what is put there stays."""
    assert stockstream("db", "migrate").code == 0
    assert document(stockstream("db", "status", "--json"))["schema"] == NEWEST
    data = tmp_path / ".stockstream" / "postgres" / "data"
    assert data.is_dir()
    assert not (data / "postmaster.pid").exists()


@pytest.mark.proves("H1")
def test_an_embedded_server_that_runs_is_shared(stockstream: Run, cluster: Path):
    """Another process runs it, in the same directory: it is used, and left running."""
    with PostgresServer(cluster) as server:
        put_ticks(server.url, 100)
        process = server.process
        ended = stockstream("db", "export", DATA_DIRECTORY=str(cluster))
        assert ended.code == 0, ended.err
        assert len(ended.out.splitlines()) == 101
        assert server.process == process
        assert server.psql("SELECT count(*) FROM ticks") == "100"


@pytest.mark.proves("H1", "H19")
def test_an_embedded_server_that_cannot_start_is_told_with_its_setting(
    stockstream: Run, tmp_path: Path
):
    """Its data are of another version: the last line says so, and the files are left alone."""
    data = tmp_path / ".stockstream" / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9\n")
    begun = time.monotonic()
    ended = stockstream("db", "status")
    assert (ended.code, ended.out) == (1, "")
    last = ended.err.splitlines()[-1]
    assert last.startswith("stockstream: DATA_DIRECTORY: ")
    assert "was made by PostgreSQL 9" in last
    assert time.monotonic() - begun < 10
    assert [path.name for path in data.iterdir()] == ["PG_VERSION"]


@pytest.mark.proves("H19")
def test_a_database_that_cannot_be_used_is_told_with_its_setting(
    stockstream: Run, postgres_server: PostgresServer, tmp_path: Path
):
    """One line each, naming the setting, without its password, and soon."""
    (tmp_path / "file").write_text("")
    unreachable = "postgresql://u:hunter2@127.0.0.1:1/prices"
    stranger = postgres_server.url_of("postgres", "mallory")
    cases = [
        ("DATABASE_URL", unreachable, 1, "127.0.0.1:1 cannot be reached"),
        ("DATABASE_URL", postgres_server.url_of("nowhere"), 1, "no database 'nowhere'"),
        ("DATABASE_URL", stranger, 1, "mallory"),
        ("DATABASE_URL", "mysql://u@h/p", 2, "postgresql"),
        ("DATA_DIRECTORY", str(tmp_path / "file" / "below"), 2, "file"),
    ]
    for setting, value, code, said in cases:
        begun = time.monotonic()
        told = line(stockstream("db", "status", **{setting: value}), code)
        assert setting in told
        assert said in told
        assert "hunter2" not in told
        assert time.monotonic() - begun < 10


def test_status_tells_what_is_stored(db: Run, database_url: str):
    """Partitions are summed up for people, and listed for programs."""
    put_ticks(database_url, 1_000)
    put_ticks(database_url, 500, day=YESTERDAY - 1)
    shown = db("status").out
    assert re.search(r"^ ticks +3 +1,500 ", shown, re.MULTILINE), shown
    found = document(db("status", "--json"))
    rows = {t["name"]: t["rows"] for t in found["tables"] if t["table"] == "ticks"}
    days = [partition("ticks", day) for day in (YESTERDAY - 1, YESTERDAY)]
    assert rows == dict(zip([*days, "ticks_default"], (500, 1_000, 0), strict=True))
    assert found["first_tick"] < found["last_tick"]


# Export and import


@pytest.mark.proves("H12")
def test_what_is_exported_comes_in_again_once(
    db: Run, database_url: str, postgres_server: PostgresServer, tmp_path: Path
):
    """Into another database all of it, with its candles; into one that has it, nothing."""
    put_ticks(database_url, 12_000)
    done = document(db("export", "--output", "ticks.ndjson", "--json"))
    assert done == {"file": "ticks.ndjson", "ticks": 12_000, "read_from": "primary"}
    assert [path.name for path in tmp_path.glob("ticks*")] == ["ticks.ndjson"]
    assert document(db("import", "ticks.ndjson", "--json")) == {
        "read": 12_000,
        "new": 0,
        "left_out": {"there already": [[1, 12_000]]},
    }
    other = postgres_server.create_database()
    assert db("export", "--output", "ticks.csv").out == "ticks.csv: 12,000 ticks\n"
    for file, new in (("ticks.csv", "12,000"), ("ticks.ndjson", "0")):
        out = db("import", file, url=other).out
        assert out.startswith(f"12,000 ticks read, {new} of them new\n")
    assert psql(other, TICKS) == psql(database_url, TICKS)
    day = to_datetime(YESTERDAY * DAY_MS).date().isoformat()
    assert db("rebuild", "--from", day).code == 0
    assert psql(other, MINUTES) == psql(database_url, MINUTES) != ""


@pytest.mark.proves("H12")
def test_an_export_is_of_what_was_asked_for(db: Run, database_url: str):
    """Symbols, from (inclusive), to (not), in order, on standard output; a header and lines."""
    put_ticks(database_url, 300)
    day = to_datetime(YESTERDAY * DAY_MS).date().isoformat()
    span = ["--from", f"{day}T00:00:10", "--to", f"{day}T00:00:20.000Z"]
    out = db("export", "--symbol", "s1", "--symbol", "S2", *span).out.splitlines()
    assert out[0] == "symbol,exchange,price,ts,received,epoch,seq,currency,source,volume"
    rows = [text.split(",") for text in out[1:]]
    # 100 ticks of three symbols in those ten seconds: numbers 100 to 199.
    assert sorted(int(row[6]) for row in rows) == [n for n in range(100, 200) if n % 3]
    assert rows == sorted(rows, key=lambda row: (row[0], row[3]))
    objects = db("export", "--symbol", "S1", *span, "--format", "ndjson").out.splitlines()
    assert [json.loads(text)["seq"] for text in objects] == [int(r[6]) for r in rows if "S1" in r]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("export --symbol A*B", "--symbol: "),
        ("export --from tomorrow", "--from: 'tomorrow' is no time"),
        ("export --from 2026-01-02 --to 2026-01-01", "--from: "),
        ("export --json", "--json: "),
        ("import missing.csv", "missing.csv: No such file"),
        ("restore missing.dump", "missing.dump: no such file"),
        ("rebuild --from 2126-01-01", "--from: "),
        ("rollback --to 9999 --yes", "--to: no version '9999'"),
        ("rollback", "--yes"),
        ("migrate --to 9999", "--to: no version '9999'"),
    ],
)
def test_a_bad_argument_is_named(arguments: str, said: str, capsys: pytest.CaptureFixture[str]):
    """Exit 2 with a line, before any database is looked for."""
    with pytest.raises(SystemExit) as ended:
        main(["db", *arguments.split()])
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    if "--json" in arguments:
        assert said in json.loads(out)["error"]
        return
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.proves("H12")
def test_a_file_that_goes_bad_is_taken_in_up_to_there(db: Run, database_url: str, tmp_path: Path):
    """The line is named, and so is what stood before it; once mended, the rest comes in."""
    put_ticks(database_url, 20)
    db("export", "--output", "ticks.csv")
    file = tmp_path / "ticks.csv"
    good = file.read_bytes().splitlines(keepends=True)
    psql(database_url, "DELETE FROM ticks")
    file.write_bytes(b"".join([*good[:11], b"S1,SIM,x,y\n", *good[11:]]))
    told = line(db("import", "ticks.csv"), 2)
    assert "ticks.csv: line 12: 4 columns, not 10; 10 ticks before it" in told
    file.write_bytes(b"".join(good))
    assert db("import", "ticks.csv").out == (
        "20 ticks read, 10 of them new\n10 left out, there already: line 2-11\n"
    )


HEADER = "symbol,exchange,price,ts,received,epoch,seq\n"


@pytest.mark.proves("H12")
def test_an_import_says_what_it_left_out(db: Run, database_url: str, tmp_path: Path):
    """A tick is another where anything of it differs: of ten with one version, but ten times, ten
    are taken in, and so is one that a second node with the same epoch has of the same price. What
    is there already, or stands in the file twice, is told by its line.
    """
    at = to_datetime(YESTERDAY * DAY_MS).date().isoformat()
    times = [f"{at}T00:00:0{n}.000Z" for n in range(10)]
    ten = [f"A,,1.5,{time},{at}T12:00:00.000Z,0,0\n" for time in times]
    file = tmp_path / "made.csv"
    file.write_text(HEADER + "".join(ten))
    assert document(db("import", "made.csv", "--json")) == {"read": 10, "new": 10, "left_out": {}}
    assert db("import", "made.csv").out == (
        "10 ticks read, 0 of them new\n10 left out, there already: line 2-11\n"
    )
    nodes = [ten[0].replace("12:00", "12:01"), ten[0].replace("A,", "A,X"), ten[3], ten[5]]
    file.write_text(HEADER + "".join([*nodes, *nodes[:2], "\n", nodes[1]]))
    bad = line(db("import", "made.csv"), 2)
    assert "made.csv: line 8: 0 columns, not 7; 6 ticks before it were taken in" in bad
    file.write_text(HEADER + "".join([*nodes, *nodes[:2], nodes[1].replace("1.5", "1.50")]))
    assert document(db("import", "made.csv", "--json")) == {
        "read": 7,
        "new": 0,
        "left_out": {"there already": [[2, 5]], "the same as a line before": [[6, 8]]},
    }
    candles = "SELECT sum(ticks) FROM candles WHERE \"interval\" = '1m'"
    assert psql(database_url, candles) == psql(database_url, "SELECT count(*) FROM ticks") == "12"


@pytest.mark.proves("H12")
def test_ticks_alike_but_for_their_node_come_out_and_in_again(
    db: Run, database_url: str, postgres_server: PostgresServer
):
    """More of one version than a page holds: none is passed over between two pages."""
    put_ticks(database_url, 10)
    psql(
        database_url,
        "INSERT INTO ticks SELECT symbol, exchange, price, ts, received + n * interval '1 ms', "
        "epoch, seq FROM ticks, generate_series(1, 6000) n WHERE seq IN (3, 4)",
    )
    assert document(db("export", "--output", "t.csv", "--json"))["ticks"] == 12_010
    other = postgres_server.create_database()
    assert db("import", "t.csv", url=other).out == "12,010 ticks read, 12,010 of them new\n"
    assert psql(other, TICKS_WHOLE) == psql(database_url, TICKS_WHOLE)


MEASURED = """
import sys
from pathlib import Path
from stockstream.cli import main
try:
    main(sys.argv[1:])
finally:
    sys.stderr.write(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


def peak_kb(environment: dict[str, str], url: str, folder: Path, *arguments: str) -> int:
    """The largest resident set of a command, as it tells itself at its end.

    What `wait4` tells would be that of its parent, where that was larger when it forked.
    """
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "db", *arguments],
        cwd=folder,
        env={**environment, "DATABASE_URL": url},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stderr)


@pytest.mark.proves("H12")
def test_memory_does_not_grow_with_what_is_written_or_read(
    environment: dict[str, str], database_url: str, postgres_server: PostgresServer, tmp_path: Path
):
    """Ten times as many ticks take the same memory, out to a file and in from one."""
    peaks: dict[str, list[int]] = {"export": [], "import": []}
    for count, size in ((10_000, 0.7e6), (100_000, 7e6)):
        psql(database_url, "DELETE FROM ticks")
        put_ticks(database_url, count, symbols=2)
        file = tmp_path / f"{count}.csv"
        peak = peak_kb(environment, database_url, tmp_path, "export", "--output", file.name)
        peaks["export"].append(peak)
        assert file.stat().st_size > size
    other = postgres_server.create_database()
    lines = file.read_text().splitlines(keepends=True)
    for count in (5_000, 50_000):
        (tmp_path / "in.csv").write_text("".join(lines[: count + 1]))
        peaks["import"].append(peak_kb(environment, other, tmp_path, "import", "in.csv"))
    for command, (little, much) in peaks.items():
        assert much - little < PEAK_GROWTH_KB, (command, peaks)


@pytest.mark.proves("H12")
def test_a_bar_is_shown_on_a_terminal_and_nowhere_else(
    db: Run, environment: dict[str, str], database_url: str, tmp_path: Path
):
    """On standard error; what goes to standard output is the same either way."""
    put_ticks(database_url, 12_000)
    plain = db("export")
    assert plain.err == ""
    ours, theirs = pty.openpty()
    with (tmp_path / "out.csv").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "stockstream", "db", "export"],
            cwd=tmp_path,
            env={**environment, "DATABASE_URL": database_url, "TERM": "xterm"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=theirs,
        )
        os.close(theirs)
        shown = _all_of(ours)
    assert process.wait(30) == 0
    assert "export" in shown
    assert "12000/12000" in shown
    assert (tmp_path / "out.csv").read_text() == plain.out


def _all_of(descriptor: int) -> str:
    shown = b""
    while True:
        try:
            chunk = os.read(descriptor, 4096)
        except OSError:  # how a pseudo-terminal says that its other end is closed
            chunk = b""
        if not chunk:
            os.close(descriptor)
            return shown.decode()
        shown += chunk


@pytest.mark.proves("H12")
def test_an_interrupted_export_leaves_no_half_file(
    environment: dict[str, str], database_url: str, tmp_path: Path
):
    """Exit 130, nothing under its name, no draft, no traceback."""
    put_ticks(database_url, 300_000)
    process = exporting({**environment, "DATABASE_URL": database_url}, tmp_path, "ticks.csv")
    wait_until_begun(process, tmp_path / "ticks.csv.part")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "")
    assert not list(tmp_path.glob("ticks*"))


@pytest.mark.proves("H12")
def test_a_reader_that_has_enough_ends_an_export(
    environment: dict[str, str], database_url: str, tmp_path: Path
):
    """`stockstream db export | head` ends soon and without a traceback."""
    put_ticks(database_url, 300_000)
    with subprocess.Popen(
        [sys.executable, "-m", "stockstream", "db", "export"],
        cwd=tmp_path,
        env={**environment, "DATABASE_URL": database_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"symbol,")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


# Backup and restore


def dump(url: str, file: Path) -> None:
    """Have pg_dump write a file, whatever is in the database."""
    subprocess.run([program("pg_dump"), "-Fc", "-d", url, "-f", file], check=True)


@pytest.mark.proves("H13")
def test_a_restored_backup_is_what_was_backed_up(db: Run, database_url: str, tmp_path: Path):
    """Ticks, candles and ledger as they were, and later partitions gone. Others keep their tables
    in the same database, and their right to read ours.
    """
    put_ticks(database_url, 3_000)
    psql(
        database_url,
        """INSERT INTO batches (node, boot, no) VALUES ('a', 1, 1);
        INSERT INTO candles SELECT symbol, '1h', date_trunc('hour', ts), min(price), max(price),
        min(price), max(price), count(*), min(ts), max(ts) FROM ticks GROUP BY 1, 3""",
    )
    before = [psql(database_url, sql) for sql in (TICKS, CANDLES, "SELECT b FROM batches b")]
    done = document(db("backup", "prices.dump", "--json"))
    file = tmp_path / "prices.dump"
    assert done == {"file": "prices.dump", "bytes": file.stat().st_size}
    assert file.stat().st_mode & 0o077 == 0
    put_ticks(database_url, 100, day=YESTERDAY - 3)
    psql(database_url, "DELETE FROM candles; DELETE FROM batches; CREATE TABLE grafana (n int)")
    reader = f"reader_{os.getpid()}_{time.time_ns()}"
    psql(database_url, f"CREATE ROLE {reader}; GRANT SELECT ON ticks, candles TO {reader}")
    assert document(db("restore", "prices.dump", "--yes", "--json"))["migrations"] == []
    after = [psql(database_url, sql) for sql in (TICKS, CANDLES, "SELECT b FROM batches b")]
    assert after == before
    notes = read_notes(tmp_path / ".stockstream")
    assert now_ms() - DAY_MS < (notes.made or 0) <= (notes.restored or 0)
    assert psql(database_url, "SELECT to_regclass('grafana')") == "grafana"
    assert psql(database_url, f"SELECT has_table_privilege('{reader}', 'ticks', 'SELECT')") == "t"
    psql(database_url, f"DROP OWNED BY {reader}; DROP ROLE {reader}")


@pytest.mark.proves("H13", "H26")
def test_a_view_of_others_over_our_tables_stops_a_restore_and_is_named(db: Run, database_url: str):
    """It would be gone with the table; who made it must say what becomes of it."""
    put_ticks(database_url, 30)
    assert db("backup", "prices.dump").code == 0
    views = "CREATE VIEW board AS SELECT * FROM ticks; CREATE VIEW wall AS SELECT * FROM alerts"
    psql(database_url, f"{views}; DELETE FROM ticks")
    told = line(db("restore", "prices.dump", "--yes"), 1)
    assert "nothing was restored: cannot drop " in told
    assert "view board depends on table ticks; view wall depends on table alerts" in told
    assert psql(database_url, "SELECT count(*) FROM board") == "0"
    psql(database_url, "DROP VIEW board, wall")
    assert db("restore", "prices.dump", "--yes").code == 0
    assert psql(database_url, "SELECT count(*) FROM ticks") == "30"


@pytest.mark.proves("H26")
def test_what_would_go_with_our_tables_stops_a_restore_and_rights_on_columns_stay(
    db: Run, database_url: str
):
    """Triggers, policies and publications of others: PostgreSQL drops them without a word."""
    put_ticks(database_url, 30)
    assert db("backup", "prices.dump").code == 0
    reader = "grafana_" + secrets.token_hex(4)
    made = f"""CREATE ROLE {reader}; GRANT SELECT (symbol) ON alerts TO {reader};
    CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER told AFTER INSERT ON ticks FOR EACH ROW EXECUTE FUNCTION tell();
    CREATE POLICY few ON candles FOR SELECT TO {reader} USING (symbol = 'AAPL');
    CREATE PUBLICATION changes FOR TABLE alerts; DELETE FROM ticks"""
    psql(database_url, made)
    told = line(db("restore", "prices.dump", "--yes"), 1)
    named = "policy few on candles, publication changes of alerts, trigger told on ticks"
    assert f"others have made of our tables what would be gone: {named}" in told
    assert psql(database_url, "SELECT count(*) FROM ticks") == "0"
    dropped = "DROP TRIGGER told ON ticks; DROP POLICY few ON candles; DROP PUBLICATION changes"
    psql(database_url, dropped)
    assert db("restore", "prices.dump", "--yes").code == 0
    assert psql(database_url, "SELECT count(*) FROM ticks") == "30"
    right = f"SELECT has_column_privilege('{reader}', 'alerts', 'symbol', 'SELECT')"
    assert psql(database_url, right) == "t"
    psql(database_url, f"DROP OWNED BY {reader}; DROP ROLE {reader}")


@pytest.mark.proves("H26")
def test_our_tables_are_all_that_the_schema_makes(database_url: str):
    """Whoever adds one tells it to backup and restore. The dump of all of a database, made by
    hand, is restored where it holds nothing else.
    """
    roots = """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
    AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1"""
    assert psql(database_url, roots).split() == sorted(OWN_TABLES)
    partitions = "SELECT relname FROM pg_class WHERE relispartition AND relkind IN ('r', 'p')"
    assert all(map(is_own, psql(database_url, partitions).split()))


@pytest.mark.proves("H13", "H26")
def test_a_dump_that_holds_tables_of_others_is_refused(db: Run, database_url: str, tmp_path: Path):
    """They are named: a restore would put them in the place of what is there."""
    psql(database_url, "CREATE TABLE grafana (n int)")
    dump(database_url, tmp_path / "all.dump")
    told = line(db("restore", "all.dump", "--yes"), 1)
    assert "all.dump holds tables that are not this program's: public.grafana" in told


@pytest.mark.proves("H13")
def test_what_is_no_regular_file_is_written_into(
    db: Run, environment: dict[str, str], database_url: str, tmp_path: Path
):
    """A pipe stays a pipe, a device a device, a link a link to the new file; /dev/stdout is the
    standard output, whatever that is.
    """
    put_ticks(database_url, 900)
    plain = db("export").out
    (tmp_path / "old.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("old.csv")
    assert db("export", "--output", "link.csv").out == "link.csv: 900 ticks\n"
    assert (tmp_path / "link.csv").readlink() == Path("old.csv")
    assert (tmp_path / "old.csv").read_text() == plain
    ended = db("export", "--output", "/dev/stdout")
    assert (ended.out, ended.err) == (plain, "/dev/stdout: 900 ticks\n")
    os.mkfifo(tmp_path / "pipe")
    reader = subprocess.Popen(["cat", "pipe"], cwd=tmp_path, stdout=subprocess.PIPE)
    try:
        ended = db("backup", "pipe")
        piped, _ = reader.communicate(timeout=20)
    finally:
        reader.kill()
        reader.wait()
    assert ended.err.startswith("pipe: "), ended
    assert piped.startswith(b"PGDMP")
    (tmp_path / "piped.dump").write_bytes(piped)
    assert db("restore", "piped.dump", "--yes").code == 0
    assert psql(database_url, "SELECT count(*) FROM ticks") == "900"
    for command in ("export --output", "backup"):
        assert "/dev/full: No space left on device" in line(db(*command.split(), "/dev/full"), 1)
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)
    (tmp_path / "loop").symlink_to("loop")
    assert "loop: Too many levels of symbolic links" in line(db("backup", "loop"), 1)


@pytest.mark.proves("H12")
@pytest.mark.parametrize("arguments", ["export", "status", "export --output t.csv --json"])
def test_a_full_standard_output_is_told(
    arguments: str, environment: dict[str, str], database_url: str, tmp_path: Path
):
    """One line and exit 1, whichever write it is that fails."""
    put_ticks(database_url, 900)
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "stockstream", "db", *arguments.split()],
            cwd=tmp_path,
            env={**environment, "DATABASE_URL": database_url},
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    told = "stockstream: standard output: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, told)


@pytest.mark.proves("H13")
def test_a_backup_of_an_older_schema_is_brought_up_to_date(
    db: Run, database_url: str, tmp_path: Path
):
    """Restored over a newer one, whose further tables are in its way."""
    first = migrations.versions()[0]
    if first == NEWEST:
        pytest.skip("there is one version only")
    assert db("rollback", "--to", first, "--yes").code == 0
    put_ticks(database_url, 50)
    before = psql(database_url, TICKS_OF_THE_FIRST)
    dump(database_url, tmp_path / "old.dump")  # `backup` would bring the schema up to date first
    assert db("migrate").code == 0
    done = document(db("restore", "old.dump", "--yes", "--json"))
    assert done["migrations"] == [f"applied {version}" for version in migrations.versions()[1:]]
    assert psql(database_url, TICKS_OF_THE_FIRST) == before
    assert psql(database_url, "SELECT version_num FROM alembic_version") == NEWEST


@pytest.mark.proves("H13")
@pytest.mark.parametrize("damage", ["cut", "other", "newer"])
def test_a_backup_that_cannot_be_restored_changes_nothing(
    damage: str, db: Run, database_url: str, postgres_server: PostgresServer, tmp_path: Path
):
    """A file cut short, a dump of something else, a schema of a later program."""
    put_ticks(database_url, 30_000)
    source = database_url
    if damage == "newer":
        source = postgres_server.create_database()
        psql(source, "UPDATE alembic_version SET version_num = '9999'")
    elif damage == "other":
        source = postgres_server.create_database(template="template0")
        psql(source, "CREATE TABLE other (n int)")
    file = tmp_path / "prices.dump"
    dump(source, file)
    if damage == "cut":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    before = psql(database_url, TICKS)
    told = line(db("restore", "prices.dump", "--yes"), 1)
    assert "nothing was restored" in told
    assert {"cut": "end of file", "other": "is no backup", "newer": "9999"}[damage] in told
    assert psql(database_url, TICKS) == before
    assert psql(database_url, "SELECT version_num FROM alembic_version") == NEWEST


@pytest.mark.proves("H13")
def test_a_backup_that_cannot_be_written_is_told(db: Run, tmp_path: Path):
    """The path is named, and no draft stays."""
    assert "away/prices.dump: No such file" in line(db("backup", "away/prices.dump"), 1)
    (tmp_path / "folder").mkdir()
    assert "folder: Is a directory" in line(db("backup", "folder"), 1)
    assert not list(tmp_path.glob("*.part"))


# Upkeep


@pytest.mark.proves("H6")
def test_retention_by_command(db: Run, database_url: str):
    """By the settings; a dry run only tells."""
    for age in (0, 5, 20, 30):
        put_ticks(database_url, 10, day=YESTERDAY - age)
    old = [partition("ticks", YESTERDAY - age) for age in (30, 20)]
    older = partition("ticks", YESTERDAY - 5)
    plan = document(db("retention", "--dry-run", "--json"))
    assert (plan["dropped"], plan["dry_run"]) == (old, True)
    assert psql(database_url, "SELECT count(*) FROM ticks") == "40"
    refused = line(db("retention", RETAIN_TICKS="3"), 2)
    assert "nothing was dropped: this machine's clock says " in refused
    assert "the clock may be wrong; --yes drops all the same" in refused
    assert psql(database_url, "SELECT count(*) FROM ticks") == "40"
    shown = db("retention", "--yes", RETAIN_TICKS="3").out
    assert shown.startswith(f"{', '.join([*old, older])} dropped; ")
    assert psql(database_url, "SELECT count(*) FROM ticks") == "10"
    assert document(db("retention", "--json"))["dropped"] == []


def test_retention_goes_on_where_changes_are_published(db: Run, database_url: str):
    """Old ticks that were imported are deleted; a publication of all tables wants to name them."""
    put_ticks(database_url, 1, day=YESTERDAY)
    psql(database_url, "CREATE PUBLICATION everything FOR ALL TABLES")
    psql(
        database_url,
        """INSERT INTO ticks_default SELECT symbol, exchange, price, ts - interval '1 y',
        received - interval '1 y', epoch, seq FROM ticks""",
    )
    assert db("retention", "--yes").code == 0
    assert psql(database_url, "SELECT count(*) FROM ticks") == "1"


def test_rows_of_users_are_purged_by_command(db: Run, database_url: str):
    """What is too old by RETAIN_AUDIT and its like; a dry run counts it and leaves it."""
    psql(
        database_url,
        "INSERT INTO audit (at, who, what, row_id, action) "
        "SELECT now() - interval '10 d', 'me', 'watchlists', n, 'create' "
        "FROM generate_series(1, 1500) n",
    )
    assert document(db("retention", "--json"))["purged"] == {}
    shown = db("retention", "--dry-run", RETAIN_AUDIT="9").out
    assert shown.endswith("rows that would be purged: 1,500 of audit\n")
    assert document(db("retention", "--json", RETAIN_AUDIT="9"))["purged"] == {"audit": 1500}
    assert psql(database_url, "SELECT count(*) FROM audit") == "0"
    assert db("retention").out.endswith("rows that were purged: none\n")


@pytest.mark.proves("H5")
def test_candles_are_rebuilt_by_command(db: Run, database_url: str):
    """From the ticks there are: damaged ones are mended, missing ones made, at every interval."""
    put_ticks(database_url, 40_000)
    made = document(db("rebuild", "--json"))
    assert made == {"candles": 3 * 67}
    good = psql(database_url, CANDLES)
    psql(
        database_url,
        """UPDATE candles SET close = 0, ticks = 1 WHERE symbol = 'S1';
        DELETE FROM candles WHERE symbol = 'S2' AND "interval" IN ('1m', '1h')""",
    )
    assert psql(database_url, CANDLES) != good
    assert db("rebuild").out == "201 1-minute candles made, and those rolled up from them\n"
    assert psql(database_url, CANDLES) == good
