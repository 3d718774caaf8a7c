"""A real Prometheus on this machine alone, and the checks that come with it and Alertmanager."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio

from tests.support.server import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

START_SECONDS = 20.0
STOP_SECONDS = 10.0
READY = b"Server is ready to receive web requests."


def require(program: str) -> str:
    """Where `prometheus`, `promtool` or `amtool` is.

    The test is skipped without it, or fails where `scripts/prometheus` installs it.
    """
    path = shutil.which(program)
    if path is not None:
        return path
    told = f"no {program} on PATH: scripts/prometheus"
    ours_to_install = shutil.which("apt-get") and not Path("/run/systemd/system").exists()
    if os.environ.get("CI") == "true" and os.geteuid() == 0 and ours_to_install:
        pytest.fail(told)
    pytest.skip(told)


def checked(program: str, *arguments: str | Path, told: str | None = None) -> str:
    """What `promtool` or `amtool` says of something that it finds nothing wrong with.

    `told` is its standard input. Fails with all that it says.
    """
    ended = subprocess.run(
        [require(program), *arguments], input=told, capture_output=True, text=True, check=False
    )
    said = ended.stdout + ended.stderr
    assert ended.returncode == 0, f"{program} {' '.join(map(str, arguments))}:\n{said}"
    return said


@dataclass(frozen=True)
class Series:
    """One of the time series that an expression answers with, and its value now."""

    labels: dict[str, str]
    value: float


@dataclass(frozen=True)
class Prometheus:
    """A running one."""

    url: str
    _http: httpx.AsyncClient

    async def query(self, expression: str) -> list[Series]:
        """What the expression answers now.

        Raises:
            ValueError: Prometheus does not take it; the message is its own.
        """
        found = await self._ask("query", {"query": expression})
        if found["resultType"] == "scalar":
            return [Series({}, float(found["result"][1]))]
        return [Series(each["metric"], float(each["value"][1])) for each in found["result"]]

    async def until(self, expression: str, seconds: float = 20.0) -> list[Series]:
        """The same, asked until it answers with anything: its scrapes tell nobody of their end."""
        with trio.move_on_after(seconds):
            while not (found := await self.query(expression)):  # noqa: ASYNC110
                await trio.sleep(0.05)
            return found
        raise AssertionError(f"for {seconds} s there is no answer to {expression}")

    async def names(self) -> set[str]:
        """The names of all series that it has ever scraped."""
        return set(await self._ask("label/__name__/values", {}))

    async def targets(self) -> list[dict[str, Any]]:
        """What it scrapes: `health`, `lastError` and so on."""
        targets: list[dict[str, Any]] = (await self._ask("targets", {}))["activeTargets"]
        return targets

    async def rules(self) -> list[dict[str, Any]]:
        """The rules that it has loaded, of all groups, with `health`, `lastError` and `state`."""
        groups = (await self._ask("rules", {}))["groups"]
        return [rule for group in groups for rule in group["rules"]]

    async def _ask(self, what: str, form: dict[str, str]) -> Any:
        if form:
            answer = await self._http.post(f"/api/v1/{what}", data=form)
        else:
            answer = await self._http.get(f"/api/v1/{what}")
        found = answer.json()
        if found["status"] != "success":
            raise ValueError(f"{found['error']}, in {form}")
        return found["data"]


@asynccontextmanager
async def prometheus(configuration: Path, folder: Path) -> AsyncIterator[Prometheus]:
    """Run it with that file for the time of a `with`; its data goes to a folder in `folder`."""
    program, port = require("prometheus"), free_port()
    command = [
        program,
        f"--config.file={configuration}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    process = await trio.lowlevel.open_process(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={"PATH": os.environ["PATH"]}
    )
    said, ready = bytearray(), trio.Event()

    async def read() -> None:
        assert process.stderr is not None
        async for piece in process.stderr:
            said.extend(piece)
            if READY in said:
                ready.set()
        ready.set()  # it has ended, and has said why

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        try:
            with trio.move_on_after(START_SECONDS):
                await ready.wait()
            assert READY in said, f"Prometheus did not start:\n{said.decode(errors='replace')}"
            url = f"http://127.0.0.1:{port}"
            async with httpx.AsyncClient(base_url=url, timeout=10) as http:
                yield Prometheus(url, http)
        finally:
            process.send_signal(signal.SIGTERM)
            with trio.move_on_after(STOP_SECONDS, shield=True) as late:
                await process.wait()
            if late.cancelled_caught:
                process.kill()
            nursery.cancel_scope.cancel()
