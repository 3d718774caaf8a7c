"""`python -m mockserver`: starting, failing to start, and ending."""

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.integration.mockserver.conftest import ROOT, START_SECONDS, started_stub_api


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mockserver", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=START_SECONDS, check=False,
    )  # fmt: skip


@pytest.mark.proves("M2")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_the_bundled_prices_until_it_is_told_to_stop(number: signal.Signals) -> None:
    """The ready line has the real port; a signal ends it with 0 and without noise."""
    with started_stub_api() as (process, url):
        prices = httpx.get(f"{url}/api/stock-prices").json()
        assert [quote["symbol"] for quote in prices] == [
            "AAPL", "GOOGL", "MSFT", "TSLA", "AMZN", "NFLX",
        ]  # fmt: skip
        process.send_signal(number)
        out, error = process.communicate(timeout=START_SECONDS)
        assert (process.returncode, out, error) == (0, "", "")


def test_it_ends_with_its_parent() -> None:
    """With --exit-with-parent the end of standard input is the end."""
    with started_stub_api("--exit-with-parent") as (process, url):
        assert httpx.get(f"{url}/__admin/health").status_code == 200
        out, error = process.communicate(timeout=START_SECONDS)  # closes its standard input
        assert (process.returncode, out, error) == (0, "", "")


@pytest.mark.proves("M1")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n "request": {"url": 5}}', "bad.json:2: request.url: expected text, found a number"),
        ('{"request": ', "bad.json:1:13: not JSON: Expecting value"),
        ('{"httpRequest": {}}', "bad.json:1: httpRequest: this is MockServer's format"),
    ],
)
def test_a_broken_stub_file_stops_the_start(tmp_path: Path, text: str, message: str) -> None:
    """Exit 2, one line with file, line and field, nothing started."""
    (tmp_path / "bad.json").write_text(text)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        # The port is taken too: had it gone on to listen, that would be the error.
        failed = run("--expectations", str(tmp_path), "--port", str(taken.getsockname()[1]))
    assert failed.returncode == 2
    assert failed.stdout == ""
    assert message in failed.stderr
    assert failed.stderr.count("\n") == 1


def test_a_taken_port_is_named() -> None:
    """Exit 1 and one line."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        failed = run("--port", str(port))
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert str(port) in failed.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "http"], "'http' is not a port"),
        (["--port", "70000"], "'70000' is not a port"),
        (["--expectations", "/no/such/place"], "/no/such/place: there is no such directory"),
        (["--bogus"], "--bogus"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], words: str) -> None:
    """Exit 2."""
    failed = run(*arguments)
    assert failed.returncode == 2
    assert words in failed.stderr


def test_people_are_told_where_to_look() -> None:
    """Without --announce: how many stubs, from where, what is pushed, and the admin page."""
    with subprocess.Popen(
        [sys.executable, "-m", "mockserver", "--port", "0"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        lines: list[str] = []
        while not (lines and lines[-1].startswith("admin page")):
            lines.append(process.stdout.readline())
            assert lines[-1], lines
        process.kill()
    url = lines[0].removeprefix("ready ").strip()
    assert lines[1].startswith("1 stub from ")
    pushed = "".join(lines[2:-1])
    assert f"kraken at {url.replace('http', 'ws', 1)}/__streams/kraken\n" in pushed
    assert lines[-1].startswith(f"admin page {url}/__admin")


@pytest.mark.proves("M1", "M18")
def test_strict_refuses_to_start_with_what_is_not_supported(tmp_path: Path) -> None:
    """Exit status 2 and one line with file, line and field; without it, a warning and a start."""
    (tmp_path / "a.json").write_text(
        '{"request": {"urlPath": "/a"},\n"response": {"proxyBaseUrl": "http://x"}}'
    )
    command = [sys.executable, "-m", "mockserver", "--port", "0", "--expectations", str(tmp_path)]
    refused = subprocess.run([*command, "--strict"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "a.json:2: response.proxyBaseUrl: this field of WireMock" in refused.stderr
    with started_stub_api("--expectations", str(tmp_path)) as (_, url):
        assert httpx.get(f"{url}/a").status_code == 404


@pytest.mark.parametrize("style", ["console", "json"])
def test_its_log_lines_have_the_form_of_the_servers(style: str, tmp_path: Path) -> None:
    """It writes to the server's standard error, where a program may read JSON lines."""
    (tmp_path / "odd.json").write_text(
        '{"request": {"url": "/a"}, "response": {"proxyBaseUrl": "http://b"}}'
    )
    options = ("--expectations", str(tmp_path), "--log-format", style)
    with started_stub_api(*options) as (process, _url):
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=START_SECONDS)
    (line,) = error.splitlines()
    if style == "json":
        fields = json.loads(line)
        assert fields["level"] == "warning"
        assert "proxyBaseUrl" in fields["event"]
    else:
        assert re.match(
            r"\d{4}-\d\d-\d\dT[\d:.]+Z \[warning  \] .*proxyBaseUrl.*\[mockserver", line
        )
