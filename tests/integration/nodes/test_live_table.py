"""The table of `cluster up` on a terminal: a real one, in a process of its own."""

from __future__ import annotations

import os
import pty
import re
import sys
from typing import TYPE_CHECKING

from stockstream.cli.cluster.live import Lines
from stockstream.nodes.processes import NodeProcess, Phase
from stockstream.nodes.watching import Look
from tests.support.server import ROOT

if TYPE_CHECKING:
    import pytest

PROGRAM = """
import os
from stockstream.cli.cluster.live import LiveTable
from stockstream.nodes.processes import NodeProcess, Phase
from stockstream.nodes.watching import Look

table = LiveTable()
table.write("  dashboard  http://localhost:4000\\n")
table.show([Look(NodeProcess("box-1", "http://127.0.0.1:4001", Phase.STARTING, 7, 1), None)])
os.write(2, b"a line of the log\\nhalf of the")
table.show_log()
table.show([Look(NodeProcess("box-1", "http://127.0.0.1:4001", Phase.SERVING, 7, 1), None)])
os.write(2, b" next one\\nand no end")
table.close()
os.write(2, b"after the table\\n")
table.close()
"""
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


def _on_a_terminal(program: str) -> str:
    pid, terminal = pty.fork()
    if pid == 0:
        environment = {"PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "120", "NO_COLOR": "1"}
        os.execve(sys.executable, [sys.executable, "-P", "-c", program], environment)
    said = b""
    try:
        while piece := os.read(terminal, 65_536):
            said += piece
    except OSError:
        pass  # on Linux that is how the other side's end shows
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert status == 0, said
    return re.sub(r"\x1b\[[\d;]*m", "", said.decode()).replace("\r\n", "\n")


def test_the_log_appears_above_the_table_and_the_terminal_is_given_back() -> None:
    """Whole lines of it only; after the end the log goes to the terminal as before."""
    said = _on_a_terminal(PROGRAM)
    order = [
        "dashboard  http://localhost:4000",
        HIDE,
        "box-1  starting",
        "a line of the log\n",
        "box-1  no answer",
        SHOW,
        "half of the next one\nand no end\n",
        "after the table\n",
    ]
    places = [said.index(text) for text in order]
    assert places == sorted(places)
    assert not re.search(r"half of the(?! next one)", said)


def test_on_a_pipe_a_node_is_told_when_it_changed(capsys: pytest.CaptureFixture[str]) -> None:
    """Not at each look."""
    lines = Lines()
    serving = Look(NodeProcess("box-1", "http://127.0.0.1:4001", Phase.SERVING, 7, 1), None)
    ended = Look(NodeProcess("box-1", "http://127.0.0.1:4001", Phase.ENDED, None, 1), None)
    for look in (serving, serving, ended):
        lines.show([look])
    assert capsys.readouterr().out == (
        "box-1 no answer, fetches -, at http://127.0.0.1:4001\n"
        "box-1 ended, fetches -, at http://127.0.0.1:4001\n"
    )
