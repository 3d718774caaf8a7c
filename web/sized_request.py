"""A request whose body may be as large as its path allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart_trio.wrappers import TrioRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from hypercorn.typing import HTTPScope
    from werkzeug.datastructures import Headers


def sized_request(by_path: Mapping[str, int]) -> type[TrioRequest]:
    """A class of requests; what is not in `by_path` has the limit of the app."""

    class SizedRequest(TrioRequest):
        """See `sized_request`."""

        def __init__(
            self,
            method: str,
            scheme: str,
            path: str,
            query_string: bytes,
            headers: Headers,
            root_path: str,
            http_version: str,
            scope: HTTPScope,
            *,
            max_content_length: int | None = None,
            body_timeout: int | None = None,
            send_push_promise: Callable[[str, Headers], Awaitable[None]],
        ) -> None:
            super().__init__(
                method,
                scheme,
                path,
                query_string,
                headers,
                root_path,
                http_version,
                scope,
                max_content_length=by_path.get(path, max_content_length),
                body_timeout=body_timeout,
                send_push_promise=send_push_promise,
            )

    return SizedRequest
