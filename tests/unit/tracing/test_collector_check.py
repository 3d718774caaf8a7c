"""The doctor's question to a real collector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stockstream.cli.doctor.findings import Result
from stockstream.cli.doctor.traces import look_at_collector
from tests.support.collector import running_collector
from tests.support.server import free_port

if TYPE_CHECKING:
    from stockstream.cli.doctor.findings import Finding

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


async def asked(value: str, setting: str = ENDPOINT, **more: str) -> Finding:
    return await look_at_collector({setting: value, **more}, setting)


async def test_a_collector_is_sent_a_request_without_spans() -> None:
    """At the address where a server sends its own; it keeps nothing of it."""
    async with running_collector() as collector:
        for base in (collector.url, f"{collector.url}/"):
            assert await asked(base) == await asked(
                f"{collector.url}/v1/traces", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
            )
        assert collector.requests == 4
        assert collector.spans == []
        found = await asked(collector.url)
        assert (found.result, found.message) == (
            Result.OK,
            f"{collector.url}/v1/traces takes traces",
        )
        elsewhere = await asked(f"{collector.url}/other")
        assert (elsewhere.result, "answers 404" in elsewhere.message) == (Result.FAILED, True)
        collector.status = 401
        refused = await asked(collector.url, OTEL_EXPORTER_OTLP_HEADERS="a=b")
        assert refused.do == "correct what OTEL_EXPORTER_OTLP_HEADERS has for it"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("http://127.0.0.1:{port}", "Connection refused"),
        ("localhost:4318", f"{ENDPOINT} is no address"),
        ("ann:hunter2@localhost:4318", f"{ENDPOINT} is no address"),  # nor is it shown
        ("http://[::1", "http://[::1"),
    ],
)
async def test_an_address_that_leads_nowhere_is_said_and_not_raised(value: str, said: str) -> None:
    """Whatever is set: it is somebody's typing."""
    found = await asked(value.format(port=free_port()))
    assert found.result is Result.FAILED
    assert said in found.message
    assert ENDPOINT in (found.do or "")


async def test_no_key_of_the_address_is_shown() -> None:
    """Some have it there."""
    found = await asked(f"http://u:hunter2@127.0.0.1:{free_port()}/?key=hunter2")
    assert "hunter2" not in found.message
