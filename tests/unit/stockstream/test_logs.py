"""Logging: one renderer for structlog and the standard library, no secrets, no forged lines."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
import trio

from stockstream import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave the process's logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    quiet = {name: logging.getLogger(name).level for name in logs._QUIET}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in quiet.items():
        logging.getLogger(name).setLevel(before)
    logging.captureWarnings(capture=False)
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _json_lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_both_worlds_are_rendered_alike():
    """A library's stdlib record has the fields of ours: event, level, logger, timestamp."""
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    structlog.get_logger("ours").info("fetched", quotes=6)
    logging.getLogger("theirs").warning("slow: %d ms", 12)
    ours, theirs = _json_lines(stream)
    assert (ours["event"], ours["quotes"], ours["logger"]) == ("fetched", 6, "ours")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == (
        "slow: 12 ms",
        "warning",
        "theirs",
    )
    assert ours["timestamp"].endswith("Z")
    assert set(theirs) <= set(ours)


def test_the_level_holds_for_both(capsys: pytest.CaptureFixture[str]):
    """Below it nothing is written; without a stream it goes to standard error."""
    logs.configure("warning")
    structlog.get_logger("ours").info("hidden")
    logging.getLogger("theirs").info("hidden")
    structlog.get_logger("ours").error("seen")
    output = capsys.readouterr()
    assert output.out == ""
    assert "hidden" not in output.err
    assert "seen" in output.err


def test_a_line_per_request_is_not_wanted():
    """The HTTP client's informational lines stay out, its warnings come through."""
    stream = io.StringIO()
    logs.configure("debug", "json", stream)
    logging.getLogger("httpx").info("HTTP Request: GET …")
    logging.getLogger("httpx").warning("odd")
    assert [line["event"] for line in _json_lines(stream)] == ["odd"]


async def test_the_context_reaches_tasks_started_from_a_task():
    """A correlation id bound in one task is in its children's lines and not in its siblings'."""
    stream = io.StringIO()
    logs.configure("info", "json", stream)

    async def child() -> None:
        structlog.get_logger("child").info("in a child")

    async def request(number: int) -> None:
        structlog.contextvars.bind_contextvars(correlation_id=number)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(request, 1)
        nursery.start_soon(request, 2)
    assert sorted(line["correlation_id"] for line in _json_lines(stream)) == [1, 2]


@pytest.mark.parametrize("style", ["console", "json"])
def test_secrets_are_masked_wherever_they_stand(style):
    """By the name of the value, in a URL, in a header, in a nested value, in a traceback."""
    stream = io.StringIO()
    logs.configure("info", style, stream)
    log = structlog.get_logger("test")
    log.info("a", admin_token="hunter2", headers={"Authorization": "hunter2", "x": ["hunter2"][:0]})
    log.info("b", url="postgresql://user:hunter2@db/x", also=["https://h/?apikey=hunter2&x=1"])
    log.info("b", url="https://h/?X-Api-Key=hunter2&auth=hunter2&sig=hunter2&appid=hunter2")
    logging.getLogger("library").error("calling with Bearer hunter2 failed")
    try:
        raise ExceptionGroup("both", [OSError("https://u:hunter2@host refused")])
    except* OSError:
        log.exception("c")
    text = stream.getvalue()
    assert "hunter2" not in text
    assert "@db/x" in text
    assert "x=1" in text
    assert "host refused" in text


@pytest.mark.parametrize("style", ["console", "json"])
def test_local_variables_do_not_show_in_a_traceback(style):
    """A traceback has the frames and the error, not what the variables held."""
    stream = io.StringIO()
    logs.configure("info", style, stream)

    def fail(held: str) -> None:
        raise RuntimeError(f"failed with {len(held)}")

    try:
        fail("".join(["hun", "ter2"]))
    except RuntimeError:
        structlog.get_logger("test").exception("c")
    assert "failed with 7" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


@pytest.mark.parametrize("style", ["console", "json"])
def test_a_clients_text_cannot_forge_a_line(style):
    """Line breaks and escape codes in a value or a library's message stay within one line."""
    stream = io.StringIO()
    logs.configure("info", style, stream)
    structlog.get_logger("test").info("bad", given="x\n2026 [info] forged\x1b[2J")
    logging.getLogger("library").info("got x\nforged\x1b[2J")
    assert len(stream.getvalue().splitlines()) == 2
    assert "\x1b" not in stream.getvalue()


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch):
    """A terminal gets colour, a file does not, and NO_COLOR turns it off."""

    def logged(stream: io.StringIO) -> str:
        logs.configure("info", "console", stream)
        structlog.get_logger("test").info("hello")
        return stream.getvalue()

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in logged(Terminal())
    assert "\x1b[" not in logged(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in logged(Terminal())


def test_each_line_of_a_node_names_it():
    """For people each line of a traceback too; as JSON it is a field, and the object stays one."""
    console, as_json = io.StringIO(), io.StringIO()
    for style, stream in (("console", console), ("json", as_json)):
        logs.configure("info", style, stream, node="box-2")
        try:
            raise ValueError("two\nlines")
        except ValueError:
            logging.getLogger("theirs").exception("failed")
    lines = console.getvalue().splitlines()
    assert len(lines) > 3
    assert all(line.startswith("box-2 ") for line in lines)
    (said,) = _json_lines(as_json)
    assert said["node"] == "box-2"
