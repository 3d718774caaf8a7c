"""`python -m mockserver`: the stub price API on its own.

Exit status: 0 after SIGINT, SIGTERM or the parent's end; 1 when the address cannot be used; 2 for
a broken stub file or wrong arguments. What is wrong is said in one line on standard error.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import trio

from mockserver import logs
from mockserver.server import BUNDLED_TAPES, Prepared, prepare, serve_prepared
from mockserver.streams.channels import STREAMS
from mockserver.stub_files import StubFileError
from web.server import PortTaken
from web.server.hosts import host_name

BUNDLED = Path(__file__).parent / "expectations"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop; return the exit status."""
    options = _parser().parse_args(arguments)
    logs.configure(options.log_format)
    try:
        prepared = prepare(
            options.host,
            options.port,
            options.expectations,
            options.allowed_hosts,
            tapes=options.tapes,
            strict=options.strict,
        )
    except StubFileError as error:
        return _failed(2, str(error))
    except (PortTaken, OSError) as error:
        return _failed(1, str(error))
    trio.run(_run, prepared, options)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mockserver",
        description="A stub price API that serves WireMock stub mappings.",
    )
    parser.add_argument("--port", type=_port, default=1080, help="0 takes a free one (1080)")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    parser.add_argument(
        "--expectations", type=Path, default=BUNDLED, metavar="DIR",
        help="stub mappings: *.json, or a WireMock root (the bundled stock prices)",
    )  # fmt: skip
    parser.add_argument(
        "--tapes", type=Path, default=BUNDLED_TAPES, metavar="DIR",
        help="a folder of tapes (*.jsonl) for each provider (the bundled ones)",
    )  # fmt: skip
    parser.add_argument(
        "--allowed-hosts", type=_names, default=(), metavar="NAMES",
        help="names that the admin pages answer to, beside this machine's own; * for any",
    )  # fmt: skip
    parser.add_argument("--reload", action="store_true", help="load stub files again when saved")
    parser.add_argument(
        "--strict", action="store_true",
        help="refuse stubs with anything that is not supported (they never match, with a warning)",
    )  # fmt: skip
    parser.add_argument(
        "--log-format", choices=logs.FORMATS, default="console",
        help="lines for people, or one JSON object per line (console)",
    )  # fmt: skip
    parser.add_argument(
        "--announce", action="store_true", help="print nothing but the line `ready URL`"
    )
    parser.add_argument(
        "--exit-with-parent", action="store_true", help="stop when standard input ends"
    )
    return parser


def _port(text: str) -> int:
    port = int(text) if text.isdecimal() else -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return port


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip().lower() for name in text.split(",") if name.strip())
    for name in names:
        bare = name.removeprefix("*.")
        if name != "*" and host_name(bare) != bare:
            raise argparse.ArgumentTypeError(
                f"{name!r} is no host name; write a name (mockserver), all names below one "
                "(*.internal) or * for any, without scheme and port"
            )
    return names


def _failed(status: int, problem: str) -> int:
    print(f"mockserver: {' '.join(problem.split())}", file=sys.stderr)  # noqa: T201 - the command's output
    return status


async def _run(prepared: Prepared, options: argparse.Namespace) -> None:
    async with trio.open_nursery() as nursery:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            if options.exit_with_parent:
                nursery.start_soon(_until_input_ends, nursery.cancel_scope)
            await nursery.start(_serve, prepared, options)
            async for _ in signals:
                nursery.cancel_scope.cancel()
                return


async def _serve(
    prepared: Prepared,
    options: argparse.Namespace,
    task_status: "trio.TaskStatus[None]" = trio.TASK_STATUS_IGNORED,
) -> None:
    async with trio.open_nursery() as nursery:
        start = nursery.start
        url: str = await start(_serve_prepared, prepared, options.reload)
        print(f"ready {url}", flush=True)  # noqa: T201 - the command's output
        if not options.announce:
            stubs = len(prepared.mappings)
            plural = "" if stubs == 1 else "s"
            print(f"{stubs} stub{plural} from {prepared.files.directory}", flush=True)  # noqa: T201
            for provider in prepared.tapes:
                print(f"{provider} at ws{url.removeprefix('http')}{STREAMS}/{provider}", flush=True)  # noqa: T201
            print(f"admin page {url}/__admin; Ctrl+C stops", flush=True)  # noqa: T201
        task_status.started()


async def _serve_prepared(
    prepared: Prepared,
    reload: bool,
    task_status: "trio.TaskStatus[str]" = trio.TASK_STATUS_IGNORED,
) -> None:
    await serve_prepared(prepared, reload=reload, task_status=task_status)


async def _until_input_ends(scope: trio.CancelScope) -> None:
    """Cancel `scope` when standard input ends, which it does when the parent is gone."""
    await trio.to_thread.run_sync(_read_to_end, abandon_on_cancel=True)
    scope.cancel()


def _read_to_end() -> None:
    try:
        while os.read(0, 4096):
            continue
    except OSError:
        return  # there never was an input, or it broke: an end too


if __name__ == "__main__":
    sys.exit(main())
