"""The program as a whole: help, versions, usage errors, exit codes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from stockstream.cli import NAMES, main
from stockstream.program import as_typed


def test_help_teaches(stockstream):
    """All commands with a line each, and examples that can be typed."""
    ended = stockstream("--help")
    assert ended.code == 0
    assert ended.err == ""
    for command in NAMES:
        assert re.search(rf"\b{command} +[A-Z]", ended.out), command
    assert "Examples:" in ended.out
    assert "stockstream serve" in ended.out


def test_no_command_is_a_question_for_help(stockstream):
    """A bare `stockstream` shows what there is."""
    assert stockstream().out == stockstream("--help").out


def test_help_imports_no_command(environment: dict[str, str], tmp_path: Path):
    """`--help` stays quick: none of the heavy libraries is loaded for it."""
    code = (
        "import sys, stockstream.cli as cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(*sorted({'trio', 'pydantic', 'quart', 'httpx', 'structlog'} & set(sys.modules)),"
        " file=sys.stderr)\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stderr.strip() == ""


def test_version(stockstream):
    """One line with the name."""
    ended = stockstream("--version")
    assert ended.code == 0
    assert re.fullmatch(r"stockstream.*\n", ended.out)


@pytest.mark.parametrize("command", NAMES)
def test_each_command_explains_itself(command: str, stockstream):
    """`COMMAND --help` exits 0 and begins with its usage."""
    ended = stockstream(command, "--help")
    assert ended.code == 0, ended.err
    assert ended.out.startswith(f"Usage: stockstream {command}")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("confg",), "stockstream: Unknown command: confg. Did you mean config?"),
        (("xyzzy",), "stockstream: Unknown command: xyzzy. See the list of commands."),
        (("--jsn",), "Unknown option: --jsn"),
        (("config", "--jsn"), "Did you mean --json?"),
        (("config", "[bold]x"), "[bold]x"),
    ],
)
def test_a_usage_error_is_a_line_that_helps_and_exit_2(
    arguments: tuple[str, ...], expected: str, stockstream
):
    """On standard error, with the command whose help to read; nothing on standard output."""
    ended = stockstream(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    assert expected in ended.err
    assert re.search(r"Try `stockstream( config)? --help`\.\n$", ended.err)
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("command", ["serve", "config"])
@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "many"), ("FLUSH_INTERVALL", "1"), ("STOCKSTREAM_ENV", "production")],
)
def test_wrong_settings_stop_the_start_with_one_line_and_exit_2(
    command: str, name: str, value: str, stockstream, tmp_path: Path
):
    """Nothing is started, nothing is written."""
    ended = stockstream(command, **{name: value})
    assert ended.code == 2
    assert ended.out == ""
    assert re.fullmatch(rf"stockstream: .*{name}.*\n", ended.err)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("ALL_PROXY", "socks5://127.0.0.1:1"), ("HTTPS_PROXY", "127.0.0.1:x"), ("no_proxy", "[::1")],
)
def test_a_proxy_that_cannot_be_used_stops_the_start_with_one_line_and_exit_2(
    name: str, value: str, stockstream
):
    """It is of the environment of all programs, and named as a setting of ours would be."""
    start = {"PORT": "0", "MAX_CONNECTIONS": "10", "STOCK_API_URL": "https://prices.example"}
    ended = stockstream("serve", **start, **{name: value})
    assert (ended.code, ended.out) == (2, "")
    assert re.fullmatch(rf"stockstream: {name}: .*\(environment\)\n", ended.err)


def test_main_takes_arguments_of_a_caller(capsys: pytest.CaptureFixture[str]):
    """`main(["…"])` does what the shell does."""
    with pytest.raises(SystemExit) as caught:
        main(["confg"])
    assert caught.value.code == 2
    assert "Did you mean config?" in capsys.readouterr().err


def test_an_interruption_is_no_traceback(monkeypatch: pytest.MonkeyPatch):
    """Ctrl+C before a command handles it itself exits with 130, as shells expect."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stockstream.cli.config.load", interrupted)
    with pytest.raises(SystemExit) as caught:
        main(["config"])
    assert caught.value.code == 130


def test_a_reader_that_leaves_early_is_no_error_of_ours(
    environment: dict[str, str], tmp_path: Path
):
    """`stockstream config | head -1` ends without a traceback."""
    with subprocess.Popen(
        [sys.executable, "-m", "stockstream", "config"],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()  # before anything was written: the first write fails
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 1


def test_commands_are_named_as_they_have_to_be_typed(tmp_path: Path):
    """Installed in an environment that is not on PATH: by their path, in help and in errors."""
    program = Path(sys.executable).parent / "stockstream"
    environment = {"PATH": "/usr/bin:/bin", "COLUMNS": "200"}

    def run(*arguments: str, cwd: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *arguments],
            env=environment, cwd=cwd, capture_output=True, text=True, check=False,
        )  # fmt: skip

    for arguments in (["--help"], ["tree", "--help"], ["chaos", "kill", "--help"], ["db"]):
        shown = run(*arguments).stdout
        named = re.findall(r"([^\s`]*stockstream) (?:serve|tree|chaos|db)\b", shown)
        assert named, arguments
        assert set(named) == {str(program)}, arguments
    assert run("tre").stderr.endswith(f"Try `{program} --help`.\n")
    assert run("--help", cwd=program.parent.parent).stdout.startswith("Usage: bin/stockstream ")


@pytest.mark.parametrize("command", NAMES)
def test_each_command_is_named_so(command: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("stockstream.program.program_name", lambda: "bin/stockstream")
    assert as_typed(f"try `stockstream {command} --help`") == (
        f"try `bin/stockstream {command} --help`"
    )


def test_the_tree_of_no_server_says_where_its_token_would_be_and_writes_nothing(
    stockstream, tmp_path: Path
):
    """Most often it is asked for in another directory than the server's."""
    ended = stockstream("tree")
    assert ended.code == 1
    assert ".stockstream/admin_token is not there" in ended.err
    assert "DATA_DIRECTORY" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_a_node_in_production_has_the_database_of_its_cluster(stockstream):
    """With an embedded one each node would record for itself."""
    given = {
        "STOCKSTREAM_ENV": "production",
        "SECRET_KEY_BASE": "k" * 64,
        "ADMIN_TOKEN": "t" * 32,
        "CLUSTER_NATS_URL": "nats://127.0.0.1:1",
    }
    ended = stockstream("serve", **given)
    assert ended.code == 2
    assert "DATABASE_URL: required with CLUSTER_NATS_URL" in ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--nodes", "0"), "--nodes"),
        (("--nodes", "65"), "--nodes"),
        (("--inherited", "0"), "'0' is no listening socket"),
    ],
)
def test_numbers_and_sockets_of_nodes_are_checked(
    arguments: tuple[str, ...], said: str, stockstream
):
    """The message names what was given."""
    ended = stockstream("serve", *arguments)
    assert ended.code != 0
    assert said in ended.err


def test_a_machine_whose_name_cannot_name_nodes_is_told_so(stockstream):
    """Before anything is started."""
    ended = stockstream("serve", "--nodes", "2", NODE_NAME="my box")
    assert ended.code == 2
    assert "NODE_NAME: 'my box' cannot name a node" in ended.err
