"""`stockstream chaos` against a really started server: what it does, says and exits with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio

from stockstream.cli import main
from tests.integration.market.rogue import RogueServer, answer
from tests.support import programs
from tests.support.commands import Ran as Ended
from tests.support.commands import run_command
from tests.support.documented import commands
from tests.support.server import NO_DATABASE, ROOT, TOKEN, Server, free_port, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Target = Server | programs.Server

pytestmark = pytest.mark.chaos

EXAMPLES = ROOT / "examples" / "chaos"
SETTINGS = {
    "CHAOS_ENABLED": "true",
    "STOCK_API_URL": "sim://?symbols=6&interval=0.1&seed=7",
}
COMMAND_SECONDS = 60
SHORTER = {"5s": "1s", "seconds=10": "seconds=1"}


class Ran:
    """One run of the command."""

    def __init__(self, done: Ended) -> None:
        self.status = done.returncode
        self.out = done.stdout.decode()
        self.err = done.stderr.decode()

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        assert document["schema_version"] == 1
        return document

    def __repr__(self) -> str:
        return f"exit {self.status}\n{self.out}\n{self.err}"


def environment(server: Target | None, more: Mapping[str, str] | None = None) -> dict[str, str]:
    url = f"http://127.0.0.1:{free_port()}" if server is None else server.url
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "STOCKSTREAM_URL": url,
        "STOCKSTREAM_TOKEN": TOKEN,
        **{name: value for name, value in os.environ.items() if name.startswith("COVERAGE")},
        **(more or {}),
    }


async def chaos(
    server: Target | None, *arguments: str, more: Mapping[str, str] | None = None
) -> Ran:
    given = environment(server, more)
    return Ran(await run_command(["chaos", *arguments], given, Path.cwd(), COMMAND_SECONDS))


async def told(server: Target, what: str) -> dict[str, Any]:
    """What `/admin/api/chaos/…` answers."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(timeout=10) as client:
        answer = await client.get(f"{server.url}/admin/api/chaos/{what}", headers=headers)
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[programs.Server]:
    """A server for all tests that leave it as it was. Actors may have had several lives."""
    settings = SETTINGS | {"DATABASE_URL": NO_DATABASE}
    server = programs.Server(tmp_path_factory.mktemp("shared"), settings)
    with programs.running(server):
        yield server


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[programs.Server]:
    """A server with all that it starts: the stub API, and its database."""
    settings = {
        "CHAOS_ENABLED": "true",
        "STUB_PORT": str(free_port()),
        "FETCH_INTERVAL": "0.2",
        "BREAKER_WAIT": "1",
        "BREAKER_MAX_WAIT": "2",
    }
    server = programs.Server(tmp_path_factory.mktemp("whole"), settings)
    with programs.running(server):
        yield server
        assert server.stop() == 0


@pytest.mark.proves("C2", "C8", "C9", "C10", "C13", "C14")
async def test_a_kill_is_verified_and_reported(tmp_path: Path) -> None:
    """The report has the generations, recovery times and verdicts; progress is on stderr."""
    async with running_server(tmp_path, SETTINGS) as server:
        page = tmp_path / "report.html"
        ran = await chaos(
            server, "kill", "market/streamer", "--count", "2", "--every", "100ms",
            "--json", "--html", str(page),
        )  # fmt: skip
        assert ran.status == 0, ran
        report = ran.document
        assert [s["generation_after"] for s in report["strikes"]] == [2, 3]
        assert all(s["verified"] for s in report["strikes"])
        assert report["recovery"]["market/streamer"]["count"] == 2
        assert all(verdict["held"] for verdict in report["verdicts"])
        assert "kill market/streamer" in ran.err
        assert "\x1b" not in ran.err + ran.out
        assert "<svg" in page.read_text()


@pytest.mark.proves("C10", "C14")
async def test_a_market_that_stands_still_starves_nobody(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """No price changes, so none is sent, and a kill is held all the same. Where nothing is fetched
    any more, clients do wait.
    """
    upstream = RogueServer(nursery)

    async def still(stream: trio.abc.Stream, _head: str) -> None:
        now = round(time.time() * 1000)
        prices = [{"symbol": name, "price": 150.0, "timestamp": now} for name in ("AAPL", "MSFT")]
        await stream.send_all(answer(json.dumps(prices).encode()))

    upstream.script = still
    await upstream.start()
    settings = SETTINGS | {"STOCK_API_URL": upstream.url, "FETCH_INTERVAL": "0.5"}
    async with running_server(tmp_path, settings) as server:
        ran = await chaos(server, "kill", "delivery/broadcaster", "--count", "3", "--every", "1s")
        assert ran.status == 0, ran
        ran = await chaos(server, "do", "hang", "market/streamer", "seconds=5")
        assert ran.status == 3, ran
        assert "5 clients waited" in ran.out


async def test_a_fault_of_a_price_api_that_is_not_ours_has_no_target(
    shared: programs.Server,
) -> None:
    ran = await chaos(shared, "do", "upstream-errors", "seconds=5", "--json")
    assert ran.status == 5, ran
    assert "not the stub of ours" in ran.document["error"]


@pytest.mark.proves("C1")
async def test_a_dry_run_shows_whom_it_would_hit_and_changes_nothing(
    shared: programs.Server,
) -> None:
    before, history = await told(shared, "targets"), (await told(shared, "status"))["history"]
    ran = await chaos(shared, "kill", "delivery", "--dry-run", "--json")
    assert ran.status == 0, ran
    radius = ran.document["targets"][0]["blast_radius"]
    assert radius == {"actors": 4, "clients": 0, "disconnects": False}
    after = await told(shared, "targets")
    assert [t["generation"] for t in before["targets"]] == [
        t["generation"] for t in after["targets"]
    ]
    assert (await told(shared, "status"))["history"] == history


@pytest.mark.proves("C7", "C8", "C9")
async def test_every_way_to_fail_has_its_exit_code_and_valid_json(
    shared: programs.Server, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text('title = "t"\n[[method]]\naction = "explode"\n')
    guarded = tmp_path / "guarded.toml"
    guarded.write_text(
        'title = "t"\n[guard]\nallow = ["market/*"]\n[[method]]\n'
        'action = "kill"\ntarget = "delivery/*"\n'
    )
    unsteady = tmp_path / "unsteady.toml"
    unsteady.write_text(
        'title = "t"\n[[steady_state]]\nkind = "http"\nurl = "/no/such/page"\n'
        '[[method]]\naction = "kill"\ntarget = "market/streamer"\n'
    )
    aborted = tmp_path / "aborted.toml"
    aborted.write_text(
        'title = "t"\n[[method]]\naction = "kill"\ntarget = "market/streamer"\npause = "20s"\n'
        '[[abort_if]]\nkind = "metric"\nmetric = "actors"\nabove = 1\n'
    )
    cases = {
        ("validate", str(bad)): 2,
        ("run", str(bad)): 2,
        ("do", "hang", "market/streamer", "secs=3"): 2,
        ("kill", "market/streamer", "--every", "soon"): 2,
        ("halt",): 2,
        ("run", str(aborted)): 3,
        ("run", str(unsteady)): 4,
        ("kill", "market/nobody"): 5,
        ("run", str(guarded)): 7,
    }
    before = (await told(shared, "status"))["history"]
    for arguments, status in cases.items():
        ran = await chaos(shared, *arguments, "--json")
        assert ran.status == status, (arguments, ran)
        if "soon" not in arguments:  # a usage error found before anything is read
            assert ran.document["exit_code"] == status
    history = (await told(shared, "status"))["history"]
    assert {row["action"] for row in history if row not in before} == {"begin", "end"}
    assert (await chaos(None, "targets", "--json")).status == 1
    wrong = await chaos(None, "kill")
    assert wrong.status == 2
    assert "PATTERN" in wrong.err


@pytest.mark.proves("C8")
async def test_a_kill_that_would_end_a_supervisor_is_refused(tmp_path: Path) -> None:
    """Its budget spent, the next kill is refused with 7; with leave it is done."""
    async with running_server(tmp_path, SETTINGS) as server:
        spend = await chaos(
            server, "kill", "market/streamer", "--count", "101", "--every", "1ms",
            "--clients", "0", "--json",
        )  # fmt: skip
        assert spend.status == 7, spend
        assert len(spend.document["strikes"]) == 100
        assert "give" in spend.document["error"]
        generations = {
            t["path"]: t["generation"]
            for t in (await server.get("/admin/api/chaos/targets")).json()["targets"]
        }
        assert generations["market"] == 1


@pytest.mark.proves("C11")
async def test_fault_injection_is_off_unless_enabled(tmp_path: Path) -> None:
    """It is refused with 403, exit 7, and the attempt is logged; reading is allowed."""
    async with running_server(tmp_path) as server:
        ran = await chaos(server, "kill", "market/streamer", "--json")
        assert ran.status == 7, ran
        assert "CHAOS_ENABLED" in ran.document["error"]
        assert (await server.get("/admin/api/chaos/status")).json()["enabled"] is False
        assert "chaos refused" in server.text
        assert not any(
            t["path"] == "chaos"
            for t in (await server.get("/admin/api/chaos/targets")).json()["targets"]
        )


@pytest.mark.proves("C11")
async def test_in_production_it_takes_a_token_of_its_own(tmp_path: Path) -> None:
    settings = {
        **SETTINGS,
        "STOCKSTREAM_ENV": "production",
        "SECRET_KEY_BASE": "s" * 40,
        "CHAOS_TOKEN": "chaos-token-of-the-tests",
    }
    async with running_server(tmp_path, settings) as server:
        refused = await chaos(server, "kill", "pubsub", "--clients", "0", "--json")
        assert refused.status == 7, refused
        allowed = await chaos(
            server, "kill", "pubsub", "--clients", "0", "--json",
            more={"STOCKSTREAM_CHAOS_TOKEN": "chaos-token-of-the-tests"},
        )  # fmt: skip
        assert allowed.status == 0, allowed
        history = (await server.get("/admin/api/chaos/status")).json()["history"]
        assert [row["outcome"] for row in history if row["action"] not in {"begin", "end"}] == [
            "done",
            "refused",
        ]


@pytest.mark.proves("C4", "C5")
async def test_an_interrupted_experiment_is_rolled_back(
    shared: programs.Server, tmp_path: Path
) -> None:
    """SIGINT in the middle: exit 130, no fault is left on, and the node is free again."""
    experiment = tmp_path / "long.toml"
    experiment.write_text(
        'title = "long"\n[[method]]\naction = "hang"\ntarget = "pubsub"\n'
        'parameters = { seconds = 600 }\n[[method]]\naction = "kill"\n'
        'target = "market/streamer"\npause = "500s"\n'
    )
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", "stockstream", "chaos", "run", str(experiment), "--clients", "0"],
        env=environment(shared),
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    said = b""
    with trio.fail_after(20):
        while b"hang pubsub" not in said:
            said += await process.stderr.receive_some()
    status = await told(shared, "status")
    assert status["experiment"]["title"] == "long"
    assert [fault["target"] for fault in status["active"]] == ["pubsub"]
    second = await chaos(shared, "run", str(EXAMPLES / "streamer.toml"))
    assert second.status == 7, second
    process.send_signal(signal.SIGINT)
    with trio.fail_after(20):
        while await process.stderr.receive_some():
            pass
        assert await process.wait() == 130
    await process.stderr.aclose()
    status = await told(shared, "status")
    assert (status["experiment"], status["active"]) == (None, [])


@pytest.mark.proves("C3", "C4")
async def test_a_fault_ends_by_itself_though_its_controller_died(
    shared: programs.Server,
) -> None:
    """The controller is killed while a fault is on: its successor rolls it back in time."""
    ran = await chaos(shared, "do", "hang", "pubsub", "seconds=3", "--clients", "0")
    assert ran.status == 0, ran
    (lives,) = [
        target["generation"]
        for target in (await told(shared, "targets"))["targets"]
        if target["path"] == "chaos"
    ]
    killed = await chaos(shared, "kill", "chaos", "--json")
    assert killed.status == 0, killed
    (strike,) = killed.document["strikes"]
    assert (strike["verified"], strike["generation_after"]) == (True, lives + 1)
    with trio.fail_after(10):
        while (await told(shared, "status"))["active"]:  # noqa: ASYNC110
            await trio.sleep(0.1)  # another process: there is no event to wait for
    ran = await chaos(shared, "kill", "pubsub", "--json")
    assert ran.status == 0, ran


@pytest.mark.proves("C4")
async def test_halt_ends_everything_and_may_be_said_twice(shared: programs.Server) -> None:
    for target in ("pubsub", "telemetry"):
        ran = await chaos(shared, "do", "slow", target, "seconds=300", "--clients", "0")
        assert ran.status == 0, ran
    assert (await chaos(shared, "halt", "--all", "--json")).document["ended"] == 2
    assert (await chaos(shared, "halt", "--all", "--json")).document["ended"] == 0
    assert (await told(shared, "status"))["active"] == []


@pytest.mark.proves("C2", "C10")
@pytest.mark.parametrize(
    ("arguments", "exit_code", "longest"),
    [
        (("hang", "delivery/broadcaster", "seconds=3"), 3, 3.0),
        (("hang", "telemetry", "seconds=2"), 0, 0.0),
        (("slow", "delivery/broadcaster", "delay=2.6", "seconds=4"), 3, 2.5),
        (("breaker-force", "state=open", "seconds=3"), 0, 3.0),
    ],
)
async def test_what_lasts_is_judged_by_what_clients_saw_of_it(
    arguments: tuple[str, ...], exit_code: int, longest: float, shared: programs.Server
) -> None:
    """A hang that stops the prices is a weakness; the breaker stops them and clients are told."""
    ran = await chaos(shared, "do", *arguments, "--json")
    assert ran.status == exit_code, ran
    (strike,) = ran.document["strikes"]
    assert longest - 0.1 <= strike["longest_gap"] < longest + 3.0
    assert bool(strike["starved"]) == (exit_code == 3)
    verdicts = {verdict["name"]: verdict for verdict in ran.document["verdicts"]}
    waits = verdicts["nobody waits without a word (C10)"]
    assert waits["held"] == (exit_code == 0)
    if exit_code:
        assert " ".join(arguments[:2]) in waits["detail"]
    status = await told(shared, "status")
    assert (status["experiment"], status["active"]) == (None, [])


@pytest.mark.proves("C8")
async def test_without_a_server_it_ends_at_once(tmp_path: Path) -> None:
    """Exit 1 with the address, before any client waits for a price."""
    for arguments in (("kill", "market/streamer"), ("monkey",), ("do", "hang", "pubsub")):
        with trio.fail_after(COMMAND_SECONDS / 4):
            ran = await chaos(None, *arguments, "--json")
        assert ran.status == 1, ran
        assert "no server answers at http://127.0.0.1:" in ran.document["error"]


@pytest.mark.proves("C5")
async def test_a_long_run_has_the_node_to_itself(shared: programs.Server) -> None:
    """Whoever comes second is refused, and whoever was first goes on to the end."""
    ran: list[Ran] = []
    async with trio.open_nursery() as nursery:

        async def first() -> None:
            ran.append(await chaos(shared, "monkey", "--for", "3s", "--clients", "2", "--json"))

        nursery.start_soon(first)
        with trio.fail_after(COMMAND_SECONDS):
            while (await told(shared, "status"))["experiment"] is None:  # noqa: ASYNC110
                await trio.sleep(0.1)  # another process: there is no event to wait for
        async with httpx.AsyncClient(timeout=10) as program:
            second = await program.post(
                f"{shared.url}/admin/api/chaos/inject",
                json={"action": "kill", "target": "pubsub"},
                headers={"Authorization": f"Bearer {TOKEN}"},
            )
        assert second.status_code == 409, second.text
        assert "monkey" in second.json()["error"]["reason"]
    assert ran[0].status == 0, ran


@pytest.mark.proves("C15", "C16")
async def test_the_monkey_looks_at_what_is_left_and_what_was_recorded(
    tmp_path: Path, shared: programs.Server
) -> None:
    """The report names the node, its version, and what was not looked at and why."""
    async with running_server(tmp_path, {**SETTINGS, "DATABASE_URL": ""}) as server:
        await until_it_records(server)
        page = tmp_path / "report.html"
        ran = await chaos(
            server, "monkey", "--for", "4s", "--rate", "5/s", "--seed", "3", "--html", str(page),
            "--json",
        )  # fmt: skip
        assert ran.status == 0, ran
        verdicts = {verdict["name"]: verdict for verdict in ran.document["verdicts"]}
        assert verdicts["nothing is left behind (C15)"]["held"]
        assert (
            "5 symbols, none missing"
            in verdicts["what was published is stored once (C16)"]["detail"]
        )
        assert ran.document["node"]
        assert ran.document["version"]
        assert ran.document["version"] in page.read_text()
    ran = await chaos(shared, "monkey", "--for", "1s", "--json")
    assert ran.status == 0, ran
    assert any("the history (C16)" in skipped for skipped in ran.document["skipped"])


@pytest.mark.proves("C6")
@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.name)
async def test_every_example_holds(path: Path, whole: programs.Server) -> None:
    """Each shipped experiment runs against a server with the bundled stub API, and holds."""
    await until_it_records(whole)
    here = {"DATA_DIRECTORY": str(whole.folder / ".stockstream")}
    ran = await chaos(whole, "run", str(path), "--json", "--seed", "7", more=here)
    assert ran.status == 0, ran
    assert ran.document["strikes"]


async def until_it_records(server: Target) -> None:
    """Wait until its database is there."""
    async with httpx.AsyncClient(base_url=server.url, timeout=10) as client:
        with trio.fail_after(30):
            while not (await client.get("/health/ready")).json()["checks"]["history"]["ok"]:  # noqa: ASYNC110
                await trio.sleep(0.1)


@pytest.mark.proves("C8", "C12", "C13", "C14")
async def test_the_monkey_kills_the_same_with_the_same_seed(tmp_path: Path) -> None:
    """Twenty kills under watching clients: every invariant holds, twice in the same order."""
    kills = []
    for _ in range(2):
        async with running_server(tmp_path, SETTINGS) as server:
            ran = await chaos(
                server, "monkey", "--for", "1s", "--rate", "10/s", "--seed", "7",
                "--clients", "20", "--json",
            )  # fmt: skip
            assert ran.status == 0, ran
            assert all(verdict["held"] for verdict in ran.document["verdicts"])
            kills.append([s["target"] for s in ran.document["strikes"]])
    assert len(kills[0]) == 10
    assert kills[0] == kills[1]


async def test_letting_the_breaker_decide_again_ends_the_force(shared: programs.Server) -> None:
    """`state=auto` takes the forced state away, and nothing is listed as on any more."""
    forced = await chaos(shared, "do", "breaker-force", "seconds=300", "--clients", "0")
    assert forced.status == 0, forced
    overview = await told(shared, "status")
    assert [fault["action"] for fault in overview["active"]] == ["breaker-force"]
    freed = await chaos(shared, "do", "breaker-force", "state=auto", "--clients", "0")
    assert freed.status == 0, freed
    assert (await told(shared, "status"))["active"] == []
    async with httpx.AsyncClient(timeout=10) as client:
        ready = (await client.get(f"{shared.url}/health/ready")).json()
    assert ready["checks"]["circuit_breaker"]["ok"]


@pytest.mark.proves("C8", "C9")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("kil", "market"), "Did you mean kill?"),
        (("kill",), "requires an argument"),
        (("kill", "market/streamer", "--count", "0"), "Must be >= 1"),
        (("kill", "market/streamer", "--clients", "-1"), "Must be >= 0"),
        (("kill", "market/streamer", "--percent", "150"), "Must be <= 100"),
        (("kill", "market/streamer", "--every", "soon"), "'soon' is no duration"),
        (("kill", "market/streamer", "--report", "nowhere/report.json"), "no report can be"),
        (("monkey", "--for", "0s"), "no time at all"),
        (("monkey", "--rate", "0"), "'0' is no rate"),
        (("do", "hangg", "market/streamer"), "no action 'hangg'"),
        (("do", "hang"), "give its path"),
        (("do", "hang", "market/streamer", "seconds"), "write name=value"),
        (("do", "upstream-down", "market/streamer"), "takes the name of an upstream"),
        (("do", "database-cut", "market/streamer"), "takes no target"),
        (("halt",), "say --all"),
    ],
)
def test_what_is_mistyped_is_refused_before_anything_is_asked_of_a_server(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no server here at all; for programs the refusal is JSON, too."""
    for more in (), ("--json",):
        with pytest.raises(SystemExit) as ended:
            main(["chaos", *arguments, *more])
        assert ended.value.code == 2
        told = capsys.readouterr()
        if more:
            document = json.loads(told.out)
            assert (document["schema_version"], document["exit_code"]) == (1, 2)
            assert (says in document["error"], told.err) == (True, "")
        else:
            assert (says in told.err, told.out) == (True, "")


@pytest.mark.proves("C8")
async def test_the_root_is_killed_only_when_that_is_allowed(shared: programs.Server) -> None:
    """Its death ends the server: that is an escalation. A mistyped path gets a hint."""
    ran = await chaos(shared, "kill", "root", "--clients", "0")
    assert ran.status == 7, ran
    assert "its death ends the server" in ran.err
    ran = await chaos(shared, "kill", "market/stremer", "--clients", "0")
    assert (ran.status, ran.out) == (5, ""), ran
    assert "did you mean 'market/streamer'?" in ran.err


async def test_a_list_in_a_pipe_cuts_no_path(shared: programs.Server) -> None:
    """What is read by grep is not laid out for a narrow terminal."""
    ran = await chaos(shared, "targets")
    assert ran.status == 0, ran
    assert "delivery/subscription_manager " in ran.out
    assert "…" not in ran.out


async def test_watching_clients_misbehave_by_themselves_too(shared: programs.Server) -> None:
    """`do` has actions of clients, which no server does."""
    ran = await chaos(shared, "do", "client-vanish", "percent=50", "--clients", "4", "--json")
    assert ran.status == 0, ran
    (strike,) = ran.document["strikes"]
    assert (strike["action"], strike["detail"]) == ("client-vanish", "2 clients")


async def test_the_tutorials_commands_do_what_it_says(whole: programs.Server) -> None:
    """All of its first two parts and the look at the providers, beside a server as they start it;
    and those of the page of logs.

    What would wait is shortened. The commands that start servers are those of the fixtures.
    """
    await until_it_records(whole)
    here = {"DATA_DIRECTORY": str(whole.folder / ".stockstream"), **whole.ports}
    said: dict[str, str] = {}
    for page in ("tutorial/first-price", "tutorial/first-fault", "tutorial/first-provider", "logs"):
        for command in commands(ROOT / f"docs/{page}.md", ROOT):
            text = " ".join(command.arguments)
            if not command.in_block or text.startswith(("serve", "mock", "providers try")):
                continue
            shorter = [SHORTER.get(word, word) for word in command.arguments]
            ran = Ran(await run_command(shorter, environment(whole, here), whole.folder))
            assert ran.status == 0, f"{command.page}:{command.line}: {command.shown}: {ran}"
            said[text] = ran.out
    assert "AAPL" in said["watch --all --for 5s"]
    assert json.loads(said["watch AAPL --json --count 1"].splitlines()[-1])["symbol"] == "AAPL"
    assert "streamer" in said["tree"]
    assert "killed" in said["tree"]  # it was asked again after that
    assert "market/streamer" in said["chaos targets"]
    assert "upstream-errors" in said["chaos actions"]
    assert "stub" in said["providers"]
    assert {"doctor", "db status", "chaos kill market/streamer", "logs"} <= said.keys()
