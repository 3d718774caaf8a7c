"""Spans by OpenTelemetry's library, and what becomes of them with a collector and without."""

from __future__ import annotations

import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import trio
from structlog.testing import capture_logs

from stockstream import spans
from stockstream.spans import NOT_TRACED, Origin, Traced
from stockstream.tracing import WRITE, endpoint_setting, recording, traced
from supervision import correlation_id
from tests.support.collector import Collector, running_collector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    async with running_collector() as collector:
        for name, value in collector.settings.items():
            monkeypatch.setenv(name, value)
        yield collector


@pytest.fixture
def said() -> Iterator[list[dict[str, Any]]]:
    with capture_logs() as lines:
        yield lines


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, None),
        ({"OTEL_SERVICE_NAME": "prices"}, None),
        ({ENDPOINT: "http://127.0.0.1:4318"}, ENDPOINT),
        ({ENDPOINT: "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "TRUE"}, None),
        ({ENDPOINT: "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"}, None),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"},
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        ),
    ],
)
def test_on_means_that_a_collector_is_set(given: dict[str, str], expected: str | None) -> None:
    """And that OpenTelemetry's own switches leave it on."""
    assert endpoint_setting(given) == expected


async def test_a_span_says_where_it_belongs_and_why_it_failed(collector: Collector) -> None:
    """By a word: what an exception says may be secret. The running task has it while inside."""
    correlation_id.set("a-1")
    with traced(collector.settings, "node-1"):
        with spans.root("fetch") as span:
            inside = correlation_id.get()
            span.note("stockstream.quotes", 6)
            with pytest.raises(ValueError, match="hunter2"), spans.child("GET", "client"):
                raise ValueError("hunter2")
        assert correlation_id.get() == "a-1"
        assert not isinstance(correlation_id.get(), Traced)
        await collector.until(lambda: len(collector.spans) == 2)
    assert isinstance(inside, Traced)
    assert inside == "a-1"
    got, fetched = (collector.named(name)[0] for name in ("GET", "fetch"))
    assert (got.trace, got.parent) == (f"{inside.trace:032x}", f"{inside.span:016x}")
    assert (got.failed, got.values) == (True, {"error.type": "ValueError"})
    assert (fetched.failed, fetched.values) == (False, {"stockstream.quotes": 6})
    assert "hunter2" not in repr(collector.spans)


async def test_the_sampler_decides_once_and_a_caller_has_decided_before(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a ratio of 0 nothing of ours is recorded, nor below it; what a caller traces, is."""
    never = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}
    for name, value in never.items():
        monkeypatch.setenv(name, value)
    with traced({**collector.settings, **never}, "node-1"):
        correlation_id.set("a-1")
        with spans.root("fetch") as span:
            assert span is NOT_TRACED
            assert spans.child("GET") is NOT_TRACED
        assert spans.root("asked", origin=Origin(7, 8, sampled=False)) is NOT_TRACED
        with spans.root("asked", origin=Origin(7, 8, sampled=True)):
            pass
    asked = collector.spans[0]
    assert (len(collector.spans), asked.trace) == (1, f"{7:032x}")
    assert asked.parent == f"{8:016x}"


async def test_a_collector_that_fails_is_told_of_once_and_when_it_is_back(
    collector: Collector, said: list[dict[str, Any]]
) -> None:
    """Not for each batch, nor by the library."""
    collector.status = 400
    with traced(collector.settings, "node-1"):
        for number in range(1, 4):
            with spans.root("fetch"):
                pass
            await collector.until(lambda number=number: collector.requests >= number)
        collector.status = 200
        with spans.root("fetch"):
            pass
        await collector.until(lambda: collector.spans)
    ours = [(line["event"], line.get("lost")) for line in said if line["event"].startswith("the ")]
    assert ours == [
        ("the collector takes no traces", None),
        ("the collector takes traces again", 3),
    ]
    assert said[0]["endpoint"] == collector.url
    assert "400" in said[0]["reason"]


async def test_a_collector_that_hangs_holds_up_neither_work_nor_a_stop(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """More spans than the library keeps: the rest is lost, without a line for each."""
    monkeypatch.setattr(recording, "STOP_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        endpoint = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        given = {ENDPOINT: endpoint, "OTEL_BSP_MAX_QUEUE_SIZE": "64"}
        given["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"] = "64"
        given["OTEL_EXPORTER_OTLP_TIMEOUT"] = "1"
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        with traced(given, "node-1"):
            began = time.perf_counter()
            for _ in range(500):
                with spans.root("fetch"):
                    pass
            assert time.perf_counter() - began < 1.0
            began = time.perf_counter()
        assert time.perf_counter() - began < 1.0
    assert caplog.records == []
    # The library's threads end by themselves now that nobody listens: until then they draw numbers
    # for their pauses, and what other tests draw would be different from time to time.
    for thread in threading.enumerate():
        if thread.name in {"last traces", "OtelBatchSpanRecordProcessor"}:
            await trio.to_thread.run_sync(thread.join, 20)
            assert not thread.is_alive()


def test_without_the_packages_there_is_a_line_and_no_traces(
    monkeypatch: pytest.MonkeyPatch, said: list[dict[str, Any]]
) -> None:
    """Prices do not wait for them."""
    monkeypatch.delitem(sys.modules, "stockstream.tracing.recording", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.context", None)
    with traced({ENDPOINT: "http://127.0.0.1:4318"}, "node-1"):
        assert not spans.tracing()
    (line,) = said
    assert (line["setting"], line["do"]) == (ENDPOINT, "pip install 'stockstream[tracing]'")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({ENDPOINT: "ann:hunter2@collector:4318"}, WRITE),
        ({ENDPOINT: "http:///v1"}, WRITE),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "0"}, "max_queue_size"),
        ({"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "9999"}, "max_export_batch_size"),
        ({"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "-1"}, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"),
    ],
)
def test_a_wrong_setting_leaves_out_traces_and_no_more(
    given: dict[str, str], told: str, said: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says which; what may be a login is not in it."""
    for name, value in given.items():
        monkeypatch.setenv(name, value)  # put back afterwards: the library's are the process'
    monkeypatch.delenv(ENDPOINT, raising=False)
    with traced({ENDPOINT: "http://127.0.0.1:9", **given}, "node"):
        assert not spans.tracing()
    (line,) = said
    assert line["event"].startswith("no traces: ")
    assert told in f"{line.get('reason')} {line['do']}"
    assert "hunter2" not in str(line)
