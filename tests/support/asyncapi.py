"""`docs/asyncapi.yaml`, read, and messages checked against it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

DOCUMENT: dict[str, Any] = yaml.safe_load(
    (Path(__file__).resolve().parents[2] / "docs" / "asyncapi.yaml").read_text()
)
Schema = dict[str, Any]

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "number": (int, float),
    "integer": (int,),
    "null": (type(None),),
}
_UNDERSTOOD = {
    "type", "const", "enum", "oneOf", "required", "properties", "additionalProperties", "items",
    "minItems", "maxItems", "maxLength", "exclusiveMinimum", "format", "description",
}  # fmt: skip


def resolved(node: Schema) -> Schema:
    """Follow references to what they mean. Raises KeyError for one that leads nowhere."""
    while "$ref" in node:
        reference = node["$ref"]
        node = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    return node


def payload_schema(name: str) -> Schema:
    """The schema of a message."""
    return resolved(DOCUMENT["components"]["messages"][name]["payload"])


def faults(value: object, schema: Schema, where: str = "$") -> list[str]:
    """The parts of `value` that the schema does not describe, including fields without a name."""
    schema = resolved(schema)
    assert schema.keys() <= _UNDERSTOOD, f"teach this check {schema.keys() - _UNDERSTOOD}"
    if "oneOf" in schema:
        fits = [option for option in schema["oneOf"] if not faults(value, option, where)]
        return [] if len(fits) == 1 else [f"{where}: {value!r} fits {len(fits)} of oneOf"]
    if "const" in schema and value != schema["const"]:
        return [f"{where}: {value!r} is not {schema['const']!r}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where}: {value!r} is none of {schema['enum']}"]
    if "type" in schema and not _is_of(value, schema["type"]):
        return [f"{where}: {value!r} is no {schema['type']}"]
    if isinstance(value, dict):
        return _object_faults(value, schema, where)
    if isinstance(value, list):
        few, many = schema.get("minItems", 0), schema.get("maxItems", len(value))
        found = [] if few <= len(value) <= many else [f"{where}: {len(value)} items"]
        for number, item in enumerate(value):
            found += faults(item, schema["items"], f"{where}[{number}]")
        return found
    if isinstance(value, str):
        if len(value) > schema.get("maxLength", len(value)):
            return [f"{where}: too long"]
        if schema.get("format") == "date-time" and not _is_utc(value):
            return [f"{where}: {value!r} is no time"]
    if isinstance(value, int | float) and value <= schema.get("exclusiveMinimum", value - 1):
        return [f"{where}: {value!r} is too small"]
    return []


def _object_faults(value: dict[str, object], schema: Schema, where: str) -> list[str]:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties")
    found = [
        f"{where}: {name} is missing" for name in schema.get("required", []) if name not in value
    ]
    for name, item in value.items():
        described = properties.get(name, others)
        if described is None:
            found.append(f"{where}: {name} is not described")
        else:
            found += faults(item, described, f"{where}.{name}")
    return found


def _is_of(value: object, kinds: str | list[str]) -> bool:
    allowed = [kinds] if isinstance(kinds, str) else kinds
    return any(
        isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
        for kind in allowed
    )


def _is_utc(text: str) -> bool:
    try:
        return text.endswith("Z") and datetime.fromisoformat(text).utcoffset() is not None
    except ValueError:
        return False
