"""The description of the protocol says what the structs say."""

from __future__ import annotations

import json
from typing import Any, get_args

import msgspec
import pytest

from stockstream.delivery import protocol
from stockstream.delivery.protocol import ClientMessage, ServerMessage
from stockstream.statuses import CircuitState, FeedState
from stockstream.told_quote import ToldDay
from tests.support.asyncapi import DOCUMENT, Schema, faults, payload_schema, resolved

MESSAGES = {
    message.__struct_config__.tag: message for message in get_args(ClientMessage | ServerMessage)
}
SCHEMAS = {
    name: struct
    for name, struct in vars(protocol).items()
    if getattr(struct, "__module__", None) == protocol.__name__
    and isinstance(struct, type)
    and issubclass(struct, msgspec.Struct)
    and not name.startswith("_")
} | {"ToldDay": ToldDay}


def names_of(operation: str) -> set[str]:
    references = DOCUMENT["operations"][operation]["messages"]
    return {reference["$ref"].rpartition("/")[2] for reference in references}


def test_every_message_is_described_in_its_direction() -> None:
    """And nothing else is."""
    tags = [{m.__struct_config__.tag for m in get_args(u)} for u in (ClientMessage, ServerMessage)]
    assert [names_of("listen"), names_of("tell")] == tags
    channel = DOCUMENT["channels"]["prices"]
    assert set(channel["messages"]) == set(DOCUMENT["components"]["messages"]) == set(MESSAGES)
    for tag, struct in MESSAGES.items():
        reference = DOCUMENT["components"]["messages"][tag]["payload"]["$ref"]
        assert reference == f"#/components/schemas/{struct.__name__}"


def test_no_reference_leads_nowhere() -> None:
    """And every schema is used."""
    found: list[str] = []

    def walk(node: object) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                found.append(node["$ref"])
                assert isinstance(resolved(node), dict)
            for inner in node.values():
                walk(inner)
        elif isinstance(node, list):
            for inner in node:
                walk(inner)

    walk(DOCUMENT)
    schemas = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert schemas <= set(found)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_struct_is_described_field_by_field(name: str) -> None:
    """Names, which are always there, and types."""
    struct = SCHEMAS[name]
    schema = DOCUMENT["components"]["schemas"][name]
    config = struct.__struct_config__
    fields = msgspec.structs.fields(struct)
    tag = [] if config.tag_field is None else [config.tag_field]
    assert list(schema["properties"]) == tag + [field.encode_name for field in fields]
    assert set(schema["required"]) == set(tag) | {
        field.encode_name for field in fields if _is_always_there(struct, field)
    }
    if tag:
        assert schema["properties"][config.tag_field] == {"const": config.tag}
    _, components = msgspec.json.schema_components([struct])
    for field in fields:
        described = schema["properties"][field.encode_name]
        expected = _plain(components[name]["properties"][field.encode_name], components)
        assert _plain(described, None) == expected, field.name


def _is_always_there(struct: type, field: msgspec.structs.FieldInfo) -> bool:
    """A client must send what has no default; we send what is not left out as a default."""
    if field.required:
        return True
    sent_by_us = struct.__name__ not in {m.__name__ for m in get_args(ClientMessage)}
    omitted = struct.__struct_config__.omit_defaults or field.default is msgspec.UNSET
    return sent_by_us and not omitted


def _plain(schema: Schema, components: dict[str, Any] | None) -> object:
    """A schema's types alone, however they are written."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name in SCHEMAS:
            return name
        schema = resolved(schema) if components is None else components[name]
    options = schema.get("anyOf") or schema.get("oneOf")
    if options is not None:
        return frozenset().union(*(_alternatives(_plain(option, components)) for option in options))
    if "const" in schema:
        return ("enum", (schema["const"],))
    kind = schema.get("type")
    if isinstance(kind, list):
        options = [_plain({**schema, "type": one}, components) for one in kind]
        return frozenset().union(*map(_alternatives, options))
    if kind == "object":
        return ("object", _plain(schema["additionalProperties"], components))
    if kind == "array":
        if "prefixItems" in schema:
            return ("tuple", tuple(_plain(item, components) for item in schema["prefixItems"]))
        items = _plain(schema["items"], components)
        count = schema.get("minItems")
        return ("tuple", (items,) * count) if count else ("array", items)
    if "enum" in schema and kind is None:
        return ("enum", tuple(schema["enum"]))
    limits = [schema.get("maxLength"), schema.get("exclusiveMinimum")]
    return (kind, *(limit for limit in limits if limit is not None and kind != "null"))


def _alternatives(plain: object) -> frozenset[object]:
    return plain if isinstance(plain, frozenset) else frozenset({plain}) - {("integer",)}


def test_the_states_are_those_there_are() -> None:
    """Of the feed and of the breaker."""
    status = DOCUMENT["components"]["schemas"]["Status"]["properties"]
    assert status["feed"]["enum"] == [state.value for state in FeedState]
    assert status["circuit"]["enum"] == [state.value for state in CircuitState]


@pytest.mark.parametrize("tag", MESSAGES)
def test_the_examples_are_messages(tag: str) -> None:
    """They fit their schema, and the struct reads them and writes them the same again."""
    examples = DOCUMENT["components"]["messages"][tag]["examples"]
    for example in examples:
        payload = example["payload"]
        assert faults(payload, payload_schema(tag)) == []
        text = json.dumps(payload)
        assert json.loads(msgspec.json.encode(msgspec.json.decode(text, type=MESSAGES[tag]))) == {
            **payload,
            **_defaults(tag, payload),
        }


def _defaults(tag: str, payload: dict[str, object]) -> dict[str, object]:
    """What a struct writes though the example leaves it out."""
    defaults: dict[str, object] = {"since": {}, "max_rate": None} if tag == "subscribe" else {}
    return {name: value for name, value in defaults.items() if name not in payload}


@pytest.mark.parametrize(
    ("tag", "change"),
    [
        ("pong", {"id": [1]}),
        ("pong", {"server_time": "now"}),
        ("pong", {"surprise": 1}),
        ("status", {"feed": "lively"}),
        ("snapshot", {"quotes": [{}]}),
        ("prices", {"as_of": 7}),
        ("welcome", {"type": "hello"}),
        ("subscribe", {"max_rate": 0}),
        ("subscribe", {"since": {"AAPL": [1]}}),
    ],
)
def test_the_check_finds_what_is_wrong(tag: str, change: dict[str, object]) -> None:
    """A check that cannot fail shows nothing."""
    payload = DOCUMENT["components"]["messages"][tag]["examples"][0]["payload"]
    assert faults({**payload, **change}, payload_schema(tag)) != []
