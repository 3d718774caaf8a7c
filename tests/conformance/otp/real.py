"""A real OTP: scenarios run on it, and the traces recorded from one.

`python -m tests.conformance.otp.real` records the traces anew.
"""

from __future__ import annotations

import hashlib
import lzma
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conformance.otp.scenarios import generate, term

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.conformance.otp.scenarios import Scenario

HERE = Path(__file__).parent
RECORDED = HERE / "traces.txt.xz"
RECORDED_SEEDS = range(3_000)
IN_PARALLEL = 1_000
"""So many scenarios wait together: their waits are real ones of some seconds."""


START_SECONDS = 60.0
LONGEST_SECONDS = 1_800.0
"""A deep run takes half an hour at most; one that hangs is not waited for."""


class Unlike(Exception):
    """The record is not of the scenarios that are generated now."""


def installed() -> bool:
    """Whether there is an OTP here."""
    return shutil.which("escript") is not None


def release() -> int:
    """Which OTP is installed."""
    command = "io:put_chars(erlang:system_info(otp_release)), halt()."
    answer = subprocess.run(
        ["erl", "-noinput", "-eval", command],
        capture_output=True, text=True, check=True, timeout=START_SECONDS,
    )  # fmt: skip
    return int(answer.stdout)


def real_traces(scenarios: Iterable[Scenario], parallel: int = IN_PARALLEL) -> list[str]:
    """What OTP's own supervisor does, a line for each scenario, in their order."""
    with tempfile.NamedTemporaryFile("w", suffix=".terms") as file:
        file.writelines(f"{term(scenario)}.\n" for scenario in scenarios)
        file.flush()
        script = HERE / "supervisors.escript"
        run = subprocess.run(
            ["escript", script, file.name, str(parallel)],
            capture_output=True, text=True, check=False, timeout=LONGEST_SECONDS,
        )  # fmt: skip
    if run.returncode:
        raise RuntimeError(f"OTP ended with {run.returncode}: {run.stderr}")
    return run.stdout.splitlines()


def recorded_traces() -> list[str]:
    """The trace of each of RECORDED_SEEDS.

    Raises:
        Unlike: the generator has changed since.
    """
    head, *traces = lzma.decompress(RECORDED.read_bytes()).decode().splitlines()
    digest = head.split()[-1]
    if digest != _digest():
        raise Unlike(f"{RECORDED.name} is of other scenarios: record it anew")
    return traces


def record() -> str:
    """Write RECORDED by the OTP that is installed; the answer is what was recorded."""
    traces = real_traces(map(generate, RECORDED_SEEDS))
    head = f"OTP {release()}, {len(traces)} scenarios, sha256 {_digest()}"
    text = "".join(f"{line}\n" for line in (head, *traces))
    RECORDED.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
    return head


def _digest() -> str:
    text = "\n".join(term(generate(seed)) for seed in RECORDED_SEEDS)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


if __name__ == "__main__":
    print(record())
