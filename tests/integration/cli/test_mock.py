"""`stockstream mock`: the stub API as a process of its own."""

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def _started(
    environment: dict[str, str], directory: Path, *arguments: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `stockstream mock` on a free port; yield the process and the URL it says is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "stockstream", "mock", "--port", "0", *arguments],
        env=environment,
        cwd=directory,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        ready = re.fullmatch(r"ready (http://.*)\n", process.stdout.readline())
        assert ready
        yield process, ready[1]
    finally:
        process.kill()
        process.communicate()


def _get(url: str) -> object:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_serves_the_bundled_prices_until_told_to_stop(
    end: signal.Signals, environment: dict[str, str], tmp_path: Path
):
    """The six stocks are there, and both signals end it with 0."""
    with _started(environment, tmp_path) as (process, url):
        prices = _get(f"{url}/api/stock-prices")
        assert {item["symbol"] for item in prices} >= {"AAPL", "MSFT", "TSLA"}
        process.send_signal(end)
        assert process.wait(timeout=20) == 0


def test_serves_stubs_of_ones_own(environment: dict[str, str], tmp_path: Path):
    """`--expectations` takes another directory's mappings instead of the bundled ones."""
    stub = {
        "request": {"method": "GET", "urlPath": "/mine"},
        "response": {"status": 200, "jsonBody": {"mine": True}},
    }
    (tmp_path / "stubs").mkdir()
    (tmp_path / "stubs" / "mine.json").write_text(json.dumps(stub))
    with _started(environment, tmp_path, "--expectations", "stubs") as (_, url):
        assert _get(f"{url}/mine") == {"mine": True}


def test_a_broken_stub_file_is_named_and_exits_2(stockstream, tmp_path: Path):
    """One line with the file; nothing is served."""
    (tmp_path / "stubs").mkdir()
    (tmp_path / "stubs" / "mine.json").write_text("{")
    ended = stockstream("mock", "--port", "0", "--expectations", "stubs")
    assert ended.code == 2
    assert ended.out == ""
    assert re.fullmatch(r".*mine\.json.*\n", ended.err)


def test_a_port_that_is_taken_is_named_and_exits_1(stockstream):
    """The line says which port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = stockstream("mock", "--port", port)
    assert ended.code == 1
    assert port in ended.err
    assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_a_port_that_is_none_is_a_usage_error(port: str, stockstream):
    """Exit 2, and the option is named."""
    ended = stockstream("mock", f"--port={port}")
    assert ended.code == 2
    assert "port" in ended.err.lower()
    assert "Try `stockstream mock --help`" in ended.err
