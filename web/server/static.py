"""Static files of a Quart app: listed at the start, so that no path of a request is opened."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from quart import request, send_file
from werkzeug.exceptions import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from quart import Quart, Response


def serve_static(app: Quart, folder: Path, prefix: str) -> Mapping[str, Path]:
    """Serve the files that are in `folder` now, below `prefix`; answer them by their path in it.

    Make the app with `static_folder=None`. Quart's own route asks the file system for any name of a
    client: a name of 300 characters is an error of the system there, and a 500.
    """
    files = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    app.add_url_rule(f"{prefix}/<path:filename>", "static", partial(_send, files))
    return files


async def _send(files: Mapping[str, Path], filename: str) -> Response:
    path = files.get(filename)
    if path is None:
        raise NotFound
    # No ranges, which a server may leave out (RFC 9110, 14.2): the files are small, and Quart
    # announces as many bytes as were asked for, or fails on the last few of a file.
    response = await send_file(path)
    return await response.make_conditional(request)
