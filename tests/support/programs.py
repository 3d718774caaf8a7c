"""Real programs that outlive a test: the server, and the stub API behind it.

They run in processes of their own and are driven without trio: a fixture of a whole module has no
run of it, and Playwright's synchronous API holds the thread's event loop while a browser is open.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

from tests.support.server import ROOT, START_SECONDS, STOP_SECONDS, TOKEN, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


class Program:
    """A process that prints a line matching `ready` once it serves."""

    def __init__(
        self, arguments: list[str], ready: str, folder: Path, settings: Mapping[str, str]
    ) -> None:
        self._command = [sys.executable, "-m", *arguments]
        self._ready = re.compile(ready)
        self.folder = folder
        self._settings = dict(settings)
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._said_ready = threading.Event()
        self.output: list[str] = []

    def set(self, **settings: str) -> None:
        """Settings from the next start on."""
        self._settings |= settings

    def start(self) -> None:
        """Start the process and wait until it says that it serves."""
        passed = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
        self.output.clear()
        self._said_ready.clear()
        self._process = subprocess.Popen(
            self._command,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "PYTHONUNBUFFERED": "1",
                **passed,
                **self._settings,
            },
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        if not self._said_ready.wait(START_SECONDS) or self._process.poll() is not None:
            self.end()
            raise AssertionError(f"{self._command} did not start:\n{''.join(self.output)}")

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self.output.append(line)
                if self._ready.search(line):
                    self._said_ready.set()
        self._said_ready.set()

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def send_signal(self, number: int) -> None:
        """Signal the process, if it runs."""
        if self._process is not None:
            self._process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and answer the exit status."""
        assert self._process is not None
        assert self._reader is not None
        self._process.send_signal(number)
        status = self._process.wait(STOP_SECONDS)
        self._reader.join(STOP_SECONDS)
        return status

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let it hang for the time of a `with`, as on a machine that is paused."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """Stop it if it runs: in order, else at once."""
        if self._process is None or self._process.poll() is not None:
            return
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.stop(signal.SIGKILL)


class Server(Program):
    """`stockstream serve`; its address stays the same over restarts."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        own = {"PORT": str(port), "ADMIN_TOKEN": TOKEN, "LOG_FORMAT": "json"}
        super().__init__(["stockstream", "serve"], r"Ctrl\+C stops", folder, own | dict(settings))

    @property
    def ports(self) -> dict[str, str]:
        """The settings of its ports, for a command that looks at them."""
        return {n: v for n, v in self._settings.items() if n in {"PORT", "STUB_PORT"}}


class Stub(Program):
    """The stub API by itself, with its outage switch."""

    def __init__(self, folder: Path, more: Sequence[str] = ()) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        arguments = ["mockserver", "--port", str(port), "--announce", *more]
        super().__init__(arguments, "^ready ", folder, {})

    def switch(self, *, down: bool) -> None:
        """Make every connection end in a reset, or serve again."""
        answer = httpx.put(f"{self.url}/__admin/outage", json={"down": down}, timeout=10)
        answer.raise_for_status()


@contextmanager
def running(program: Program) -> Iterator[None]:
    """A program for the time of a `with`."""
    try:
        program.start()
        yield
    finally:
        program.end()
