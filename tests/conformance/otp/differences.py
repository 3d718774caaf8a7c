"""Where this runtime differs from OTP on purpose: for each class, the smallest scenario.

Both traces stand here, so that neither side changes unseen. `supervision/README.md` says why.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.conformance.otp.scenarios import Dynamic, Scenario, Static, Step, Worker


class Difference(NamedTuple):
    """What is done, and what either side makes of it: the entry of the last step.

    OTP's is what release 25 does, and others do too, unless 29 does another thing.
    """

    children: list[Static | Dynamic | Worker]
    steps: list[Step]
    otp: str
    here: str
    otp_29: str | None = None

    def of_release(self, number: int) -> str:
        """What that release of OTP makes of it."""
        return self.otp if number < 29 or self.otp_29 is None else self.otp_29


def _worker(own_id: str, restart: str = "permanent") -> Worker:
    return Worker("worker", own_id, restart, significant=False, stop="prompt", starts=[])


def _static(own_id: str, children: list[Static | Dynamic | Worker]) -> Static:
    return Static(
        "static", own_id, "permanent", significant=False, strategy="one_for_one", intensity=3,
        auto_shutdown="never", children=children,
    )  # fmt: skip


def _dynamic(restart: str) -> Dynamic:
    worker = _worker("template", restart)
    return Dynamic("dynamic", "d", "permanent", significant=False, intensity=3, worker=worker)


START: Step = ("start_dynamic", "d", "d.1", [])

DIFFERENCES = {
    "a dynamic child that is gone is not_found, as in Elixir; OTP says ok": Difference(
        [_dynamic("temporary")],
        [START, ("exit", "d.1", "crash"), ("terminate_first", "d", "d.1")],
        otp="ok||d{} root[d=running]",
        here="not_found||d{} root[d=running]",
    ),
    "nor is one whose incarnation has a successor; OTP says ok, and leaves it": Difference(
        [_dynamic("permanent")],
        [START, ("exit", "d.1", "crash"), ("terminate_first", "d", "d.1")],
        otp="ok||d{d.1} root[d=running]",
        here="not_found||d{d.1} root[d=running]",
    ),
    "a dynamic supervisor has as many specs as children, as in Elixir; in OTP one": Difference(
        [_dynamic("permanent")],
        [START, ("start_dynamic", "d", "d.2", []), ("count", "d")],
        otp="1/2/0/2||d{d.1 d.2} root[d=running]",
        here="2/2/0/2||d{d.1 d.2} root[d=running]",
    ),
    "a dynamic child whose restart ignores is forgotten; OTP kept it until 29": Difference(
        [_dynamic("permanent")],
        [("start_dynamic", "d", "d.1", ["ok", "ignore"]), ("exit", "d.1", "crash"), ("count", "d")],
        otp="1/1/0/1||d{undefined} root[d=running]",
        here="0/0/0/0||d{} root[d=running]",
        otp_29="1/0/0/0||d{} root[d=running]",
    ),
    "a kill takes the whole subtree without terminate; in OTP orphans still clean up": Difference(
        [_static("s", [_worker("a"), _worker("b")])],
        [("kill_supervisor", "s")],
        otp="did|-b:killed -a:killed +s +a +b|root[s=running] s[a=running b=running]",
        here="did|+s +a +b|root[s=running] s[a=running b=running]",
    ),
    "nothing starts beside a live predecessor; in OTP orphans may end after it": Difference(
        [_static("s", [_worker("a"), _static("t", [_worker("b")])])],
        [("kill_supervisor", "s")],
        otp="did|-a:killed +s -b:shutdown +a +t +b|"
        "root[s=running] s[a=running t=running] t[b=running]",
        here="did|+s +a +t +b|root[s=running] s[a=running t=running] t[b=running]",
    ),
}


def scenario_of(difference: Difference) -> Scenario:
    """The scenario: the children under a root."""
    return Scenario(0, _static("root", difference.children), difference.steps)


def last_step(trace: str) -> str:
    """Its entry: the one after it is of the stop."""
    return trace.split("; ")[-2]
