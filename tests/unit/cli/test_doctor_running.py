"""The checks of `stockstream doctor` run side by side, each within its time."""

from __future__ import annotations

from functools import partial

import trio
import trio.testing

from stockstream.cli.doctor.findings import Finding, Result, ok
from stockstream.cli.doctor.running import CHECK_SECONDS, Check, run_checks


async def _after(seconds: float) -> Finding:
    await trio.sleep(seconds)
    return ok(f"{seconds:g} s")


async def _broken() -> Finding:
    raise KeyError("surprise")


async def test_a_check_that_hangs_holds_up_no_other(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """All of them take as long as one may, and the slow one says what to do."""
    checks = [
        Check("slow", trio.sleep_forever, "see the disk"),
        *(Check(f"{number}", partial(_after, 1.5), "") for number in range(20)),
        Check("broken", _broken, ""),
    ]
    began = trio.current_time()
    found = dict(await run_checks(checks))
    assert trio.current_time() - began == CHECK_SECONDS
    assert list(found) == [check.name for check in checks]
    assert found["slow"].result is Result.FAILED
    assert found["slow"].message == "no answer within 2 s"
    assert found["slow"].do == "see the disk"
    assert found["19"] == ok("1.5 s")
    assert found["broken"].message == "the check itself broke: KeyError: 'surprise'"


async def test_offline_asks_no_other_machine() -> None:
    """What would is told as not looked at."""
    checks = [Check("there", _broken, "", leaves=True), Check("here", partial(_after, 0), "")]
    found = dict(await run_checks(checks, offline=True))
    assert [finding.result for finding in found.values()] == [Result.SKIPPED, Result.OK]
