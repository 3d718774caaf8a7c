"""The page at `/__admin`: stubs, requests, scenarios and the outage switches, for people.

The server renders all of it; the script asks for it again every two seconds and swaps the parts
that changed, so there is one rendering and no second copy of it in JavaScript.
"""

import json
from dataclasses import dataclass
from typing import Final

from quart import Blueprint, render_template

from mockserver.faults import Fault
from mockserver.journal import Entry
from mockserver.mappings import StubMapping
from mockserver.stub_server import StubServer
from mockserver.stub_source import StubSource

SHOWN_REQUESTS: Final = 50
_SHOWN_CHARACTERS: Final = 2_000


@dataclass(frozen=True, slots=True)
class StubView:
    """A row of the table of stubs."""

    id: str
    title: str
    method: str
    url_kind: str
    url: str
    priority: int
    status: str
    source: str
    notices: tuple[str, ...]
    json: str


@dataclass(frozen=True, slots=True)
class RequestView:
    """A row of the request journal."""

    id: str
    time: str
    method: str
    url: str
    status: str
    matched: bool
    stub: str
    detail: str


def page_blueprint(server: StubServer, source: StubSource) -> Blueprint:
    """The route of the page."""
    page = Blueprint("page", __name__)

    @page.get("/__admin")
    @page.get("/__admin/")
    async def index() -> str:
        entries = server.journal.newest_first()
        return await render_template(
            "admin.html",
            stubs=[_stub_view(stub) for stub in server.stubs],
            requests=[_request_view(entry) for entry in entries[:SHOWN_REQUESTS]],
            request_count=len(entries),
            unmatched_count=sum(not entry.matched for entry in entries),
            scenarios=server.scenarios.views(server.stubs),
            outage=server.outage,
            faults=[fault.value for fault in Fault],
            directory=str(source.files.directory),
            failure=source.failure,
        )

    return page


def _stub_view(stub: StubMapping) -> StubView:
    response = stub.response
    return StubView(
        id=stub.id,
        title=stub.title,
        method=stub.request.method,
        url_kind=stub.request.url.kind,
        url=stub.request.url.expected,
        priority=stub.priority,
        status=response.fault.value if response.fault else str(response.status),
        source=stub.source or "added over the admin API",
        notices=tuple(str(notice) for notice in stub.notices),
        json=json.dumps(stub.document, indent=2, ensure_ascii=False),
    )


def _request_view(entry: Entry) -> RequestView:
    answer = entry.answer
    body = answer.body.decode(errors="replace")
    detail = entry.report or body
    return RequestView(
        id=entry.id,
        time=entry.logged.strftime("%H:%M:%S"),
        method=entry.request.method,
        url=entry.request.url,
        status=answer.fault.value if answer.fault else str(answer.status),
        matched=entry.matched,
        stub=entry.stub.title if entry.stub else "",
        detail=detail if len(detail) <= _SHOWN_CHARACTERS else f"{detail[:_SHOWN_CHARACTERS]}…",
    )
