"""The README's programs run as they stand, and so do the examples."""

from __future__ import annotations

import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import trio
import trio.testing
from mypy import api

import supervision

ROOT = Path(__file__).parents[3]
README = (ROOT / "supervision/README.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def run_example(name: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", f"examples.supervision.{name}"],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_first_program_of_the_readme_runs_until_a_signal(tmp_path):
    """As it stands there; told when it is up by a line added to its end."""
    source = PROGRAMS[0].replace(
        "Counter)]))", 'Counter)]), on_start=lambda system: print("up", flush=True))'
    )
    assert source != PROGRAMS[0]
    program = tmp_path / "program.py"
    program.write_text(source)
    with subprocess.Popen(
        [sys.executable, program], stdout=subprocess.PIPE, text=True,
        env={"PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_the_counter_of_the_readme_counts(tmp_path):
    """Its class answers what the text says."""
    (tmp_path / "program.py").write_text(PROGRAMS[0])
    names = runpy.run_path(str(tmp_path / "program.py"))

    async def main() -> list[int]:
        system = supervision.System()
        answers: list[int] = []
        async with trio.open_nursery() as nursery:
            spec = supervision.ChildSpec("counter", names["Counter"])
            nursery.start_soon(system.run, supervision.supervisor("root", [spec]))
            await trio.testing.wait_all_tasks_blocked()
            answers += [await system.ref("counter").call(names["Add"](n)) for n in (2, 3)]
            system.stop()
        return answers

    assert trio.run(main) == [2, 5]


def test_the_readmes_test_runs(tmp_path):
    """How to test actors is itself tested."""
    (tmp_path / "program.py").write_text(PROGRAMS[1])
    runpy.run_path(str(tmp_path / "program.py"))


def test_every_name_the_readme_gives_exists():
    """What stands in code marks and looks like a name of the package is one."""
    exports = set(supervision.__all__)
    given = set(re.findall(r"`([A-Z][A-Za-z]+|[A-Z]{4,})`", README))
    of_the_programs = {"Add", "Queue", "Room", "STATS", "Shard", "Take", "Uplink"}
    outside = of_the_programs | {"BusyResourceError"}
    assert given - outside <= exports
    assert len(given) > 15


def test_the_counter():
    """It counts to four, crashes, and begins anew; the table has counted the crash."""
    assert run_example("counter") == [
        "1", "2", "3", "4",
        "call to 'counter': the actor ended first: crash(ValueError: five is too many)",
        "1", "2", "crashes: 1",
    ]  # fmt: skip


def test_the_worker_pool():
    """Eight jobs, of which two need a second attempt; every result is there."""
    assert run_example("worker_pool") == [
        "1: 1, 2: 4, 3: 9, 4: 16, 5: 25, 6: 36, 7: 49, 8: 64",
        "attempts: 10 for 8 jobs",
    ]


def test_the_pipeline():
    """The parser's crash takes the sink along and leaves the source alone."""
    assert run_example("pipeline") == [
        "parser 1 follows source 1", "sink 1 follows parser 1", "total 1", "total 3",
        "parser 2 follows source 1", "sink 2 follows parser 2", "total 4",
    ]  # fmt: skip


def test_the_examples_are_strictly_typed():
    """A library's examples are copied: they must hold what they teach."""
    examples = sorted(map(str, (ROOT / "examples/supervision").glob("*.py")))
    assert len(examples) == 7
    # They stand in no package, and two of them take from a third.
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--explicit-package-bases"]
    output, errors, status = api.run([*options, *examples])
    assert (status, errors) == (0, ""), output
