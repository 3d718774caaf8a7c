"""Pages of the two protocols: HTTP as a running server tells it, the WebSocket as its file does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT = Path(__file__).parents[2]
ASYNCAPI = ROOT / "docs" / "asyncapi.yaml"
START_SECONDS = 60.0
NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none"

_ABOUT_API = """Of version {}. A running server has the same as OpenAPI at `/openapi.json`, and
at `/docs` for people, where requests can be tried."""
_ABOUT_MESSAGES = """From [asyncapi.yaml](../asyncapi.yaml), which is tested against the server.
What a client must know is in [the protocol](../protocol.md)."""

Node = dict[str, Any]


def pages() -> dict[str, str]:
    """Each page's place and text."""
    return {
        "reference/api.md": api_page(openapi()),
        "reference/messages.md": messages_page(
            yaml.safe_load(ASYNCAPI.read_text(encoding="utf-8"))
        ),
    }


def openapi() -> Node:
    """What a server that is started for this says of itself."""
    with tempfile.TemporaryDirectory() as folder:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        process = subprocess.Popen(
            [sys.executable, "-m", "stockstream", "serve"],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**kept, "PYTHONPATH": str(ROOT), "PORT": "0", "STOCK_API_URL": "sim://",
                 "DATABASE_URL": NO_DATABASE, "DATA_DIRECTORY": folder},
        )  # fmt: skip
        too_late = threading.Timer(START_SECONDS, process.kill)
        too_late.start()
        try:
            for line in process.stdout or ():
                label, _, url = line.strip().partition(" ")
                if label == "dashboard":
                    answer = httpx.get(f"{url.strip()}/openapi.json", trust_env=False, timeout=10)
                    answer.raise_for_status()
                    found: Node = answer.json()
                    return found
        finally:
            too_late.cancel()
            process.terminate()
            process.communicate()
    raise RuntimeError("the server that should describe its API did not start")


def api_page(document: Node) -> str:
    """All routes by their tags, then the shapes of what they take and answer."""
    info = document["info"]
    schemas = document["components"]["schemas"]
    parts = [
        "# HTTP API",
        info["description"],
        _ABOUT_API.format(info["version"]),
    ]
    tags: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tag = (operation.get("tags") or ["others"])[0]
            tags.setdefault(tag, []).append(_operation(method, path, operation))
    for tag, operations in tags.items():
        parts += [f"## {tag.capitalize()}", *operations]
    parts.append("## Shapes")
    parts += [_schema(name, schema) for name, schema in sorted(schemas.items())]
    return "\n\n".join(parts) + "\n"


def _operation(method: str, path: str, operation: Node) -> str:
    parts = [f"### {method.upper()} {path}", operation.get("description") or operation["summary"]]
    rows = [
        (f"`{one['name']}`", one["in"], _type(one.get("schema", {})), one.get("description", ""))
        for one in operation.get("parameters", [])
    ]
    if rows:
        parts.append(_table(("Parameter", "in", "", ""), rows))
    body = _shape(operation.get("requestBody", {}))
    if body:
        parts.append(f"Takes {body}.")
    answers = [
        (status, answer.get("description", ""), _shape(answer))
        for status, answer in operation["responses"].items()
    ]
    parts.append(_table(("Answer", "", ""), answers))
    return "\n\n".join(parts)


def _shape(content: Node) -> str:
    for media in content.get("content", {}).values():
        return _type(media.get("schema", {}))
    return ""


def _schema(name: str, schema: Node) -> str:
    parts = [f"### {name}"]
    if schema.get("description"):
        parts.append(schema["description"])
    required, optional = set(schema.get("required", ())), ", may be missing"
    rows = [
        (f"`{field}`", _type(one) + optional * (field not in required), one.get("description", ""))
        for field, one in schema.get("properties", {}).items()
    ]
    if rows:
        parts.append(_table(("Field", "", ""), rows))
    elif "enum" in schema:
        parts.append("One of " + ", ".join(f"`{value}`" for value in schema["enum"]) + ".")
    else:
        parts.append(_type(schema))
    return "\n\n".join(parts)


def _type(schema: Node) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            return " or ".join(dict.fromkeys(_type(one) for one in schema[word]))
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    kind = schema.get("type", "any")
    kind = " or ".join(kind) if isinstance(kind, list) else kind
    if kind == "array":
        if "prefixItems" in schema:
            return "array of " + ", ".join(_type(one) for one in schema["prefixItems"])
        return f"array of {_type(schema.get('items') or {})}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    return str(kind)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in rows:
        cells = (" ".join(text.split()).replace("|", "\\|") for text in row)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def messages_page(document: Node) -> str:
    """What a client and the server may say, each with its fields and an example."""
    messages, schemas = document["components"]["messages"], document["components"]["schemas"]
    parts = [
        "# WebSocket messages",
        _ABOUT_MESSAGES,
    ]
    used: list[str] = []
    for operation in document["operations"].values():
        parts.append(f"## {operation['title']}")
        for reference in operation["messages"]:
            name = reference["$ref"].rpartition("/")[2]
            message = messages[name]
            parts += [f"### {name}", message.get("summary", ""), message.get("description", "")]
            payload = message["payload"]
            kind = payload.get("$ref", "").rpartition("/")[2]
            parts.append(_fields(schemas.get(kind, payload)))
            used.append(kind)
            parts += [
                f"```json\n{json.dumps(example['payload'], ensure_ascii=False)}\n```"
                for example in message.get("examples", [])
            ]
    parts.append("## Shapes")
    parts += [f"{_schema(name, schema)}" for name, schema in schemas.items() if name not in used]
    return "\n\n".join(part for part in parts if part) + "\n"


def _fields(schema: Node) -> str:
    return _schema("", schema).partition("\n\n")[2]
