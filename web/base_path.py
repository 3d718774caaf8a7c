"""Serving below a sub-path (`BASE_PATH`), whether a proxy takes it off the request or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, Scope


def below(base: str, app: ASGIFramework) -> ASGIFramework:
    """`app` with `base`, as `/stocks`, before all its addresses; "" is none.

    A path that does not begin with `base` is taken as one whose `base` was taken off on the way:
    by a proxy, or by somebody on this machine who asks for `/health/ready`. The settings refuse a
    `base` that an address of the app begins with, so no path can be read in two ways.
    """
    if not base:
        return app

    async def serve(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "lifespan":
            told = {**scope, "path": _full(scope["path"], base), "root_path": base}
            scope = cast("Scope", told)
        await app(scope, receive, send)

    return serve


def _full(path: str, base: str) -> str:
    """The path with `base` before it (ASGI: `path` holds `root_path`)."""
    if path == base:
        return f"{base}/"
    return path if path.startswith(f"{base}/") else f"{base}{path}"
