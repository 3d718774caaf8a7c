"""What is traced travels with the correlation id; what is not costs a look."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import structlog
import trio

from stockstream import logs, spans
from stockstream.spans import NOT_TRACED, Gathered, Origin, Traced
from supervision import Actor, ChildSpec, System, correlation_id, handles, supervisor
from tests.support.kept_spans import Keeping, keeping
from tests.unit.stockstream.test_logs import restored  # noqa: F401 - leaves logging as it was

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
KNOWN = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture(autouse=True)
def no_id() -> Iterator[None]:
    """What a test without a run of its own sets would be there for all tests after it."""
    before = correlation_id.set(None)
    yield
    correlation_id.reset(before)


@pytest.fixture
def tracer() -> Iterator[Keeping]:
    with keeping() as tracer:
        yield tracer


@pytest.mark.parametrize(
    ("text", "sampled"),
    [(KNOWN, True), (f"00-{TRACE}-{SPAN}-00", False), (f"cc-{TRACE}-{SPAN}-03-more", True)],
)
def test_a_traceparent_is_read(text: str, *, sampled: bool) -> None:
    """Of later versions too, with what they may have added."""
    assert spans.read_traceparent(text) == Origin(int(TRACE, 16), int(SPAN, 16), sampled)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "00",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01\n",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0\u0661",
    ],
)
def test_what_is_no_traceparent_begins_a_new_trace(text: str | None) -> None:
    """As the specification has it: all of it counts, or nothing."""
    assert spans.read_traceparent(text) is None


def test_what_is_told_can_be_read() -> None:
    """The same ids, with zeros in front."""
    told = Traced("a-1", 0xAB, 0xC).traceparent
    assert spans.read_traceparent(told) == Origin(0xAB, 0xC, sampled=True)


async def test_the_span_travels_with_messages() -> None:
    """To a handler, with what it is called in the log; the next message has its own."""
    seen: list[str | None] = []

    class Other(Actor):
        @handles(str)
        def _on_text(self, _text: str) -> None:
            seen.append(correlation_id.get())
            if len(seen) == 2:
                self.system.stop()

    def begin(system: System) -> None:
        for sent in (Traced("a-1", 1, 2), "a-2"):
            correlation_id.set(sent)
            system.ref("other").cast("go")

    with trio.fail_after(5):
        await System().run(supervisor("root", [ChildSpec("other", Other)]), on_start=begin)
    assert seen == ["a-1", "a-2"]
    assert [isinstance(one, Traced) for one in seen] == [True, False]


def test_only_traced_work_has_parts(tracer: Keeping) -> None:
    """Nothing is asked of the tracer for the others, nor for what follows of none of them."""
    correlation_id.set("a-1")
    assert spans.child("part") is NOT_TRACED
    assert spans.following("after", []) is NOT_TRACED
    gathered = Gathered()
    gathered.add()
    assert gathered.span("flush", {}) is NOT_TRACED
    assert spans.traceparent_headers() == {}
    assert tracer.spans == []
    traced = Traced("a-2", 1, 2)
    correlation_id.set(traced)
    assert spans.child("part") is tracer.spans[0]
    assert tracer.spans[0].parent is traced
    assert spans.traceparent_headers() == {"traceparent": traced.traceparent}


def test_what_is_dealt_with_together_is_linked_to_each(tracer: Keeping) -> None:
    """And counted with those that are not traced; then it begins anew."""
    gathered = Gathered()
    traced = [Traced("a-1", 1, 2), Traced("a-3", 3, 4)]
    for one in (traced[0], "a-2", traced[1]):
        correlation_id.set(one)
        gathered.add()
    gathered.span("flush", {})
    assert tracer.spans[0].links == tuple(traced)
    assert tracer.spans[0].parent is traced[0]
    assert tracer.spans[0].values == {"messaging.batch.message_count": 3}
    assert gathered.span("flush", {}) is NOT_TRACED


def test_what_was_dealt_with_otherwise_is_forgotten(tracer: Keeping) -> None:
    """The next span is not linked to it."""
    gathered = Gathered()
    correlation_id.set(Traced("a-1", 1, 2))
    gathered.add()
    gathered.forget()
    assert gathered.span("flush", {}) is NOT_TRACED
    assert tracer.spans == []


def test_a_flood_of_links_has_an_end(tracer: Keeping) -> None:
    """A stall may leave thousands of batches for one flush."""
    gathered = Gathered()
    correlation_id.set(Traced("a-1", 1, 2))
    for _ in range(1_000):
        gathered.add()
    gathered.span("flush", {})
    assert len(tracer.spans[0].links) == spans.MOST_LINKS
    assert tracer.spans[0].values["messaging.batch.message_count"] == 1_000


@pytest.mark.usefixtures("tracer")
def test_strangers_can_have_a_few_traces_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a second, all of them together; who is believed always, and who asks for none as well."""
    monkeypatch.setattr("stockstream.spans.time.monotonic", lambda: 5e9)
    heard = [spans.origin_of(KNOWN, believed=False) for _ in range(50)]
    assert [one is not None for one in heard] == [True] * 20 + [False] * 30
    assert spans.origin_of(KNOWN, believed=True) is not None
    unsampled = spans.origin_of(f"00-{TRACE}-{SPAN}-00", believed=False)
    assert unsampled is not None
    assert not unsampled.sampled
    monkeypatch.setattr("stockstream.spans.time.monotonic", lambda: 5e9 + 1)
    assert spans.origin_of(KNOWN, believed=False) is not None


def test_log_lines_of_traced_work_have_its_ids(restored: None) -> None:  # noqa: F811
    """Beside the correlation id, which is as it was."""
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    for sent in ("a-1", Traced("a-2", int(TRACE, 16), int(SPAN, 16)), Traced("", 1, 2)):
        correlation_id.set(sent)
        structlog.get_logger("test").info("said")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    names = ("correlation_id", "trace_id", "span_id")
    assert [tuple(line.get(name) for name in names) for line in lines] == [
        ("a-1", None, None),
        ("a-2", TRACE, SPAN),
        (None, f"{1:032x}", f"{2:016x}"),
    ]


OFF = """
import sys
from stockstream.cli import serve
from stockstream.tracing import traced
with traced({"OTEL_SERVICE_NAME": "prices"}, "node-1"), traced(
    {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}, "node-1"
):
    print([name for name in sys.modules if name.startswith(("opentelemetry", "google"))])
"""


def test_without_a_collector_nothing_is_imported() -> None:
    """Of OpenTelemetry, in a process that could serve."""
    ran = subprocess.run([sys.executable, "-c", OFF], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
