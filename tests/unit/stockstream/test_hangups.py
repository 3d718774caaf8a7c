"""SIGHUP of a command: the secrets are read again, or the terminal is gone."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from stockstream.hangups import Hangups, begin
from supervision import System

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import signal
from stockstream.hangups import Hangups
from supervision import Actor, ChildSpec, run

hangups = Hangups()

def ask(system):
    print("asked", flush=True)

def begin(system):
    hangups.started(system, ask)
    print("up", flush=True)

run(ChildSpec("one", Actor), on_start=begin, on_signals={signal.SIGHUP: hangups.came})
print("ended in order", flush=True)
"""


@pytest.fixture
def _as_before():
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("_as_before")
def test_one_that_comes_before_there_is_a_tree_is_not_lost() -> None:
    """It would end the process otherwise, or be forgotten."""
    asked: list[System] = []
    hangups, system = Hangups(), System()
    os.kill(os.getpid(), signal.SIGHUP)
    hangups.started(system, asked.append)
    assert asked == [system]


@pytest.mark.usefixtures("_as_before")
def test_one_that_comes_while_the_tree_starts_waits_for_it() -> None:
    """It is done once, when the tree is up."""
    asked: list[System] = []
    hangups, system = Hangups(), System()
    hangups.came(system)
    assert asked == []
    hangups.started(system, asked.append)
    assert asked == [system]


def test_a_terminal_that_is_closed_ends_what_it_started() -> None:
    """While it is there, SIGHUP reads again; a server does not outlive the window it ran in."""
    ours, theirs = pty.openpty()

    def take() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        stdin=theirs,
        stdout=subprocess.PIPE,
        preexec_fn=take,  # noqa: PLW1509 - there are no threads here
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            process.send_signal(signal.SIGHUP)
            assert process.stdout.readline() == "asked\n"
            os.close(theirs)
            os.close(ours)
            assert process.stdout.readline() == "ended in order\n"
            assert process.wait(20) == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("words", "status"),
    [(("serve",), 7), (("cluster", "up"), 7), (("watch",), -signal.SIGHUP)],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_one_that_comes_while_a_server_imports_does_not_end_it(
    tmp_path: Path, words: tuple[str, ...], status: int
) -> None:
    """The first import that takes time is made to send it here. What is no server ends as ever."""
    (tmp_path / "cyclopts.py").write_text(
        "import os, signal, sys\nos.kill(os.getpid(), signal.SIGHUP)\nsys.exit(7)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-m", "stockstream", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        timeout=60,
        check=False,
    )
    assert ended.returncode == status


@pytest.mark.usefixtures("_as_before")
def test_one_from_before_the_imports_is_done_when_the_tree_is_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As one that comes after them; what has no terminal at the begin is not ended by its loss."""
    monkeypatch.setattr("stockstream.hangups._begun", None)
    monkeypatch.setattr("stockstream.hangups.has_terminal", lambda: False)
    asked: list[System] = []
    begin()
    os.kill(os.getpid(), signal.SIGHUP)
    hangups, system = Hangups(), System()
    hangups.started(system, asked.append)
    assert asked == [system]
    hangups.came(system)
    assert asked == [system, system]
