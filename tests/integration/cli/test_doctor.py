"""`stockstream doctor` against real broken things: ports, disks, servers, brokers, providers."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream.asyncio_thread import AsyncioThread
from stockstream.cli.doctor.bus import look_at_nats
from stockstream.cli.doctor.clock import Clocks, judge_clock
from stockstream.cli.doctor.command import examine
from stockstream.cli.doctor.database import look_at_embedded, look_at_server
from stockstream.cli.doctor.findings import Result
from stockstream.cli.doctor.identity import look_at_issuer
from stockstream.cli.doctor.machine import look_at_disk, look_at_open_files, look_at_port
from stockstream.cli.doctor.names import look_at_names
from stockstream.cli.doctor.node import ask_node
from stockstream.cli.doctor.provider import ask_polled, ask_pushed, judge_asked
from stockstream.cli.doctor.public import look_at_certificates
from stockstream.cluster.nats_access import NatsAccess, read_servers
from stockstream.cluster.nats_server import run_nats_server
from stockstream.config import Settings
from stockstream.market.providers import HttpSettings, from_url
from stockstream.market.providers.chosen import push_provider
from stockstream.quotes import parse_symbol
from stockstream.times import now_ms
from stockstream.upstreams import Upstream
from tests.support.identity_provider import Provider as IdentityProvider
from tests.support.kraken import kraken
from tests.support.selfsigned import server_context
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stockstream.cli.doctor.findings import Finding
    from tests.support.database import PostgresServer

GB = 1_000_000_000


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty directory, with none of our variables set."""
    for name in list(os.environ):
        if name.lower() in Settings.model_fields or name.startswith("STOCKSTREAM_"):
            monkeypatch.delenv(name)
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.fixture
def free() -> int:
    """A port that nobody listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        return int(listening.getsockname()[1])


async def at_database(url: str, needed: int = 8) -> Finding:
    with AsyncioThread().use() as loop:
        return await look_at_server(loop, url, "DATABASE_URL", needed, 7.0, Clocks())


async def at_nats(url: str) -> Finding:
    access = NatsAccess(read_servers(url))
    with AsyncioThread().use() as loop:
        return await look_at_nats(loop, access.servers[0], access, "stockstream")


async def test_a_port_that_is_taken_and_one_that_is_free(taken: int, free: int) -> None:
    """By trying, as a start would; who has it is looked for as the line says."""
    look = partial(look_at_port, "127.0.0.1", setting="PORT", ours=False)
    assert (await look(port=free)).result is Result.OK
    found = await look(port=taken)
    assert found.result is Result.FAILED
    assert f"sport = :{taken}" in (found.do or "")


async def test_a_disk_without_room_and_a_place_that_is_no_directory(
    small_disk: Path, tmp_path: Path
) -> None:
    """Both with DATA_DIRECTORY; the file that is written to measure leaves no name behind."""
    assert (await look_at_disk(small_disk, GB)).result is Result.WARNING
    (small_disk / "full").write_bytes(bytes(shutil.disk_usage(small_disk).free))
    found = await look_at_disk(small_disk, GB)
    assert found.result is Result.FAILED
    assert os.listdir(small_disk) == ["full"]  # noqa: PTH208
    (tmp_path / "file").touch()
    found = await look_at_disk(tmp_path / "file" / "below", GB)
    assert (found.result, "is no directory" in found.message) == (Result.FAILED, True)
    found = await look_at_disk(tmp_path / ("long" * 100), GB)
    assert (found.result, "File name too long" in found.message) == (Result.FAILED, True)
    with AsyncioThread().use() as loop:
        found = await look_at_embedded(loop, tmp_path / "file", 8, 7.0)
    assert (found.result, "Not a directory" in found.message) == (Result.FAILED, True)


async def test_few_open_files() -> None:
    """By the hard limit of this process; a start raises the soft one itself."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 10**9 if hard == resource.RLIM_INFINITY else hard
    found = await look_at_open_files(most, chosen=True)
    expected = Result.OK if hard == resource.RLIM_INFINITY else Result.WARNING
    assert found.result is expected


async def test_a_name_that_is_not_known() -> None:
    """It is told with its setting."""
    found = await look_at_names({"no-such-host.invalid": "PROVIDERS"})
    assert found.result is Result.FAILED
    assert found.message.startswith("no-such-host.invalid of PROVIDERS: ")


async def test_databases_that_a_server_could_not_use(
    postgres_server: PostgresServer, database_url: str, free: int
) -> None:
    """Nobody there, no such database, no rights, few connections, an old schema, a newer one."""
    found = await at_database(f"postgresql://u:hunter2@127.0.0.1:{free}/d")
    assert (found.result, "cannot be reached" in found.message) == (Result.FAILED, True)
    assert "hunter2" not in found.message
    found = await at_database(postgres_server.url_of("missing"))
    assert "there is no database 'missing'" in found.message

    well = await at_database(database_url)
    assert well.result is Result.OK, well
    few = await at_database(database_url, needed=1_000)
    assert (few.result, "wants 1000 connections" in few.message) == (Result.FAILED, True)

    name = database_url.partition("?")[0].rpartition("/")[2]
    postgres_server.psql("CREATE ROLE poor LOGIN")
    try:
        poor = await at_database(postgres_server.url_of(name, "poor"))
    finally:
        postgres_server.psql("DROP ROLE poor")
    assert poor.result is Result.FAILED
    assert "own" in poor.message or "may" in poor.message
    for version, result in (("0003", Result.WARNING), ("0999", Result.FAILED)):
        postgres_server.psql(f"UPDATE alembic_version SET version_num = '{version}'", name)
        postgres_server.psql(f"COMMENT ON TABLE alembic_version IS 'usable from {version}'", name)
        found = await at_database(database_url)
        assert (found.result, version in found.message) == (result, True)


async def test_a_wrong_password(postgres_server: PostgresServer) -> None:
    """The user is named, and not the password."""
    hba = postgres_server.layout.data / "pg_hba.conf"
    before = hba.read_text()
    hba.write_text("local all patient scram-sha-256\n" + before)
    postgres_server.psql("CREATE ROLE patient LOGIN PASSWORD 'right'")
    postgres_server.psql("SELECT pg_reload_conf()")
    try:
        found = await at_database(postgres_server.url_of("postgres", "patient:hunter2"))
    finally:
        hba.write_text(before)
        postgres_server.psql("DROP ROLE patient")
        postgres_server.psql("SELECT pg_reload_conf()")
    assert found.result is Result.FAILED
    assert "refuses user 'patient': wrong user or password" in found.message
    assert "hunter2" not in found.message


async def test_a_database_that_takes_connections_and_says_nothing(taken: int) -> None:
    """It is told within the time of a check, by our own limit."""
    with trio.fail_after(4):
        found = await at_database(f"postgresql://u@127.0.0.1:{taken}/d")
    assert (found.result, "does not answer" in found.message) == (Result.FAILED, True)


async def test_the_embedded_database_by_its_files_and_running(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """None yet; of another version; one that runs is asked."""
    data = tmp_path / "data"
    with AsyncioThread().use() as loop:
        look = partial(look_at_embedded, loop, needed=8, retained=7.0)
        assert (await look(data)).result is Result.INFO
        (data / "postgres" / "data").mkdir(parents=True)
        (data / "postgres" / "data" / "PG_VERSION").write_text("9\n")
        found = await look(data)
        assert (found.result, "PostgreSQL 9" in found.message) == (Result.FAILED, True)
        found = await look(postgres_server.layout.directory)
        assert (found.result, "schema 00" in found.message) == (Result.OK, True), found


async def test_nats_that_is_away_and_nats_with_another_token(free: int) -> None:
    """No secret is in what is told."""
    found = await at_nats(f"nats://hunter2@127.0.0.1:{free}")
    assert (found.result, "hunter2" in found.message) == (Result.FAILED, False)
    async with trio.open_nursery() as nursery:
        server = await nursery.start(run_nats_server, "right")
        assert (await at_nats(server.url)).result is Result.OK
        found = await at_nats(server.url.replace("right", "hunter2"))
        assert found.result is Result.FAILED
        assert "CLUSTER_NATS_CREDENTIALS" in (found.do or ""), found
        assert "hunter2" not in found.message
        nursery.cancel_scope.cancel()


async def test_an_identity_provider_that_is_there_calls_itself_otherwise_or_is_away(
    free: int,
) -> None:
    """The letter counts, and it is said which setting to correct."""
    async with trio.open_nursery() as nursery:
        provider = IdentityProvider()
        await provider.start(nursery)
        found = await look_at_issuer(provider.url)
        assert (found.result, found.message) == (
            Result.OK,
            f"{provider.url} signs by ES256, 1 key",
        )
        found = await look_at_issuer(f"{provider.url}/")
        assert (found.result, "to the letter" in found.message) == (Result.FAILED, True)
        assert "OIDC_ISSUER" in (found.do or "")
        nursery.cancel_scope.cancel()
    found = await look_at_issuer(f"http://127.0.0.1:{free}")
    assert (found.result, "refused" in found.message) == (Result.FAILED, True)


async def test_a_provider_that_is_away_wrong_or_late(taken: int, free: int) -> None:
    """In the words that its feed would have for it."""
    for port, words in ((free, "refused"), (taken, "stopped coming")):
        settings = HttpSettings(connect_timeout=0.3, read_timeout=0.3, total_timeout=0.5)
        provider = from_url(f"http://127.0.0.1:{port}", settings)
        asked = await ask_polled(provider, frozenset(), Clocks(), "api")
        found = judge_asked(asked, now_ms(), None)
        assert found.result is Result.FAILED
        assert words in found.message


async def test_a_provider_that_pushes(free: int) -> None:
    """One price comes; one refuses the symbol; one is not there."""

    async def ask(url: str, symbol: str) -> Finding:
        pushed = push_provider(Upstream("c", url))
        assert pushed is not None
        asked = await ask_pushed(*pushed, {parse_symbol(symbol)}, Clocks(), "c")
        return judge_asked(asked, now_ms(), None)

    async with kraken() as server:
        found = await ask(server.provider, "BTC-USD")
        assert (found.result, "BTC-USD 97000.5" in found.message) == (Result.OK, True)
        found = await ask(server.provider, "NO-SUCH")
        assert (found.result, "NO-SUCH (unknown" in found.message) == (Result.FAILED, True)
        server.reject = 401
        assert (await ask(server.provider, "BTC-USD")).result is Result.FAILED
    assert (await ask(f"kraken://?url=ws://127.0.0.1:{free}", "BTC-USD")).result is Result.FAILED


async def test_a_clock_that_a_provider_says_is_wrong() -> None:
    """By the date of its answer, which is an hour behind ours."""
    clocks = Clocks()
    clocks.saw_date("api", now_ms() - 3_600_000, now_ms(), now_ms())
    found = judge_clock(clocks.ahead)
    assert (found.result, "3,59" in found.message) == (Result.FAILED, True)


async def test_a_certificate_that_nobody_trusts(tmp_path: Path) -> None:
    """It stands on a real socket, and has ended."""
    context = server_context(tmp_path, address="127.0.0.1", days=(-9, -2))

    async def serve(stream: trio.SocketStream) -> None:
        with trio.move_on_after(2):
            tls = trio.SSLStream(stream, context, server_side=True)
            try:
                await tls.do_handshake()
            except trio.BrokenResourceError:
                return

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        found = await look_at_certificates(f"https://127.0.0.1:{port}", None)
        assert found.result is Result.FAILED
        assert found.message.startswith("127.0.0.1: ")
        nursery.cancel_scope.cancel()
    ended = await look_at_certificates(None, tmp_path / "server.pem")
    assert ended.result in {Result.FAILED, Result.SKIPPED}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "many"),
        ("STOCK_API_URL", "sim://?symbols=zzz"),
        ("PROVIDERS", "us=alpaca://"),
        ("ALL_PROXY", "socks5://127.0.0.1:1"),
    ],
)
async def test_wrong_settings_are_told_and_the_rest_is_not_looked_at(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interpreter and the packages are, whatever is set."""
    monkeypatch.setenv("STOCK_API_URL" if name == "ALL_PROXY" else name, "http://prices.example")
    monkeypatch.setenv(name, value)
    found, _ = await examine(None, None, offline=False)
    results = {name: finding.result for name, finding in found}
    assert results["settings"] is Result.FAILED
    assert name in next(finding.message for check, finding in found if check == "settings")
    assert results["python"] in {Result.OK, Result.INFO}
    assert "database" not in results


async def test_a_running_server_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its port is its own, its upstream is not asked a second time, its database is away."""
    async with running_tree() as tree:
        port = tree.url.rpartition(":")[2]
        for name, value in (
            ("PORT", port),
            ("STOCK_API_URL", "sim://?symbols=6"),
            ("DATABASE_URL", "postgresql://nobody:hunter2@127.0.0.1:1/none"),
            ("ADMIN_TOKEN", tree.settings.admin_token.get_secret_value()),
            ("PUBLIC_URL", tree.url),
        ):
            monkeypatch.setenv(name, value)
        with trio.fail_after(10):
            while True:  # until its feed has told prices
                found = dict((await examine(None, None, offline=False))[0])
                if found["prices sim"].result is Result.OK:
                    break
    results = {name: finding.result for name, finding in found.items()}
    assert results["port"] is Result.OK
    assert "the running server" in found["port"].message
    assert results["server"] is not Result.SKIPPED
    assert results["public address"] is Result.OK, found["public address"]
    assert "6 symbols" in found["prices sim"].message
    assert results["recording"] is Result.FAILED
    assert results["database"] is Result.FAILED
    assert not any("hunter2" in str(finding) for finding in found.values())


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("http://user:hunter2@127.0.0.1:1", "Connection refused"),
        ("http://[::1", "no address"),
        ("http://192.0.2.1:4000", "--offline"),
    ],
)
async def test_a_server_that_somebody_names(
    named: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the option or by STOCKSTREAM_URL; what is no address is told, and no login is shown."""
    for option, variable in ((named, ""), (None, named)):
        monkeypatch.setenv("STOCKSTREAM_URL", variable)
        found = dict((await examine(option, None, offline=True))[0])
        assert found["server"].result is Result.SKIPPED
        assert said in found["server"].message
        assert "hunter2" not in found["server"].message


async def test_an_answer_without_an_end() -> None:
    """Whatever has the port of a server may say as much as it likes: no more is kept."""

    async def talk(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                await stream.send_all(bytes(1_000_000))

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, talk, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        with trio.fail_after(10):
            node = await ask_node(f"http://127.0.0.1:{port}", None, "", 10.0)
        nursery.cancel_scope.cancel()
    assert (node.lives, node.trouble) == (False, "something else answers there")


def test_the_program_as_it_is_typed(stockstream, tmp_path: Path, free: int) -> None:
    """Exit codes, JSON for programs, and no secret in either."""
    broken = {
        "PORT": "0",
        "STOCK_API_URL": f"http://user:hunter2@127.0.0.1:{free}/?key=hunter2hunter2",
        "ADMIN_TOKEN": "hunter2-hunter2-hunter2",
    }
    ended = stockstream("doctor", "--json", **broken)
    assert ended.code == 1, ended.err
    document = json.loads(ended.out)
    assert (document["schema_version"], document["exit_code"]) == (1, 1)
    checks = {check["check"]: check for check in document["checks"]}
    assert checks["prices api"]["result"] == "failed"
    assert checks["prices api"]["do"]
    assert "hunter2" not in ended.out
    assert [path.name for path in tmp_path.iterdir()] == ["here"], "it changes nothing"
    ended = stockstream("doctor", "--offline", "--strict", PORT="0", STOCK_API_URL="sim://")
    assert ended.out.startswith("result")
    assert ended.code in {0, 1}
