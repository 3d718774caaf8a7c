"""The check of the collector of traces: it is sent what a server sends, with no span in it."""

from __future__ import annotations

import importlib.util
import ssl
from typing import TYPE_CHECKING
from urllib.parse import unquote

import httpx
import msgspec

from stockstream.cli.doctor.findings import Finding, failed, ok, warning
from stockstream.http_client import os_reason, root_cause, tls_reason
from stockstream.masks import without_secrets
from stockstream.proxies import proxy_to, through
from stockstream.tracing import EXTRA, WRITE, is_address

if TYPE_CHECKING:
    from collections.abc import Mapping

ASK_SECONDS = 1.8
_PATH = "/v1/traces"
_ERRORS = 400
_GRPC_PORT = 4317
_LOGINS = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)


class Sent(msgspec.Struct, frozen=True):
    """What came of sending no spans to `url`: a status, or why there is none."""

    setting: str
    url: str
    status: int = 0
    trouble: str | None = None
    installed: bool = True
    protocol: str = ""


async def look_at_collector(given: Mapping[str, str], setting: str) -> Finding:
    """Whether the collector that `setting` names would take what a server tells it."""
    if not is_address(given[setting]):
        return failed(f"{setting} is no address", f"correct {setting}: {WRITE}")
    url = address_of(given, setting)
    protocol = given.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or given.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL", ""
    )
    installed = importlib.util.find_spec("opentelemetry") is not None
    sent = Sent(setting, without_secrets(url), installed=installed, protocol=protocol)
    try:
        # The proxy of the environment, as the exporter takes it.
        proxy, verify = through(proxy_to(httpx.URL(url))), _trusted(given)
        async with httpx.AsyncClient(
            timeout=ASK_SECONDS, verify=verify, trust_env=False, proxy=proxy
        ) as client:
            # An ExportTraceServiceRequest of nothing is no bytes.
            headers = {"content-type": "application/x-protobuf", **_headers(given)}
            answer = await client.post(url, content=b"", headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        root = root_cause(error)
        why = tls_reason(root) if isinstance(root, ssl.SSLError) else os_reason(root)
        trouble = without_secrets(why or str(error) or type(error).__name__)
        return judge_collector(msgspec.structs.replace(sent, trouble=trouble))
    return judge_collector(msgspec.structs.replace(sent, status=answer.status_code))


def judge_collector(sent: Sent) -> Finding:
    """What is to be done about it, if anything."""
    if not sent.installed:
        return failed(f"{sent.setting} is set, and what traces need is not installed", EXTRA)
    if sent.protocol not in ("", "http/protobuf"):
        return warning(
            f"OTEL_EXPORTER_OTLP_PROTOCOL is {sent.protocol}, and only http/protobuf is spoken",
            "name the collector's port for HTTP, mostly 4318, and set http/protobuf",
        )
    if sent.trouble is not None:
        do = f"start the collector, or correct {sent.setting}"
        if f":{_GRPC_PORT}/" in sent.url:
            do += f"; {_GRPC_PORT} is mostly the port of gRPC, and 4318 that of HTTP"
        return failed(f"{sent.url}: {sent.trouble}", do)
    if sent.status in _LOGINS:
        return failed(
            f"{sent.url} answers {sent.status}",
            "correct what OTEL_EXPORTER_OTLP_HEADERS has for it",
        )
    if sent.status >= _ERRORS:
        return failed(
            f"{sent.url} answers {sent.status}, and takes no traces there",
            f"correct {sent.setting}: {_PATH} is appended to OTEL_EXPORTER_OTLP_ENDPOINT alone",
        )
    return ok(f"{sent.url} takes traces")


def address_of(given: Mapping[str, str], setting: str) -> str:
    """Where spans are sent to, as the library reads the setting."""
    url = given[setting].strip()
    return url if setting.endswith("_TRACES_ENDPOINT") else url.rstrip("/") + _PATH


def _headers(given: Mapping[str, str]) -> dict[str, str]:
    text = given.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS") or given.get(
        "OTEL_EXPORTER_OTLP_HEADERS", ""
    )
    pairs = (part.partition("=") for part in text.split(",") if "=" in part)
    return {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs}


def _trusted(given: Mapping[str, str]) -> ssl.SSLContext | bool:
    path = given.get("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE") or given.get(
        "OTEL_EXPORTER_OTLP_CERTIFICATE"
    )
    return True if not path else ssl.create_default_context(cafile=path)
