"""`stockstream config`: what a start here would use, and the table of the README."""

import json
import sys
from itertools import groupby
from typing import Annotated

from cyclopts import Parameter
from pydantic.fields import FieldInfo
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stockstream.config import PRIVATE, Settings, public_value
from stockstream.environment import Configuration, load
from stockstream.masks import MASK
from stockstream.secret_places import Given, file_variable

_KEYS = "Keys of providers"


def config(
    *,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
    markdown: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Show every setting with its value and source; secrets are masked.

    The values are those that `stockstream serve` would use, started here and now: the
    environment first, then the credentials of systemd, then the file .env in the working
    directory, then the default. A secret may be in the file that `NAME_FILE` names, too. This
    command writes nothing: a secret that is `not made yet` will be made by the first start.

    Parameters
    ----------
    as_json
        Print JSON.
    markdown
        Print the table of all settings and defaults, whatever is set here.
    """
    if markdown:
        sys.stdout.write(markdown_table())
        return
    configuration = load()
    if as_json:
        json.dump(_as_json(configuration), sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        _print_table(configuration)


def markdown_table() -> str:
    """Return all settings, their defaults and meanings as Markdown, one table per group."""
    parts = []
    for group, fields in _groups():
        rows = [
            f"| `{name.upper()}` | {_default(field)} | {_described(name, field)} |"
            for name, field in fields
        ]
        parts.append("\n".join((f"| {group} | Default | |", "|---|---|---|", *rows)))
    return "\n\n".join(parts) + "\n"


def _described(name: str, field: FieldInfo) -> str:
    text = field.description or ""
    return f"{text} Or `{file_variable(name.upper())}`." if name in PRIVATE else text


def _groups() -> list[tuple[str, list[tuple[str, FieldInfo]]]]:
    return [
        (group, list(fields))
        for group, fields in groupby(
            Settings.model_fields.items(), key=lambda item: _extra(item[1], "group")
        )
    ]


def _extra(field: FieldInfo, key: str) -> str:
    extra = field.json_schema_extra
    return str(extra[key]) if isinstance(extra, dict) else ""


def _default(field: FieldInfo) -> str:
    return _extra(field, "shown_default") or f"`{_text(field.default)}`"


def _text(value: object) -> str:
    match public_value(value):
        case None:
            return ""
        case bool() as flag:
            return str(flag).lower()
        case float() as number:
            return f"{number:g}"
        case list() as parts:
            return ",".join(parts)
        case other:
            return str(other)


def _as_json(configuration: Configuration) -> dict[str, dict[str, object]]:
    shown: dict[str, dict[str, object]] = {
        name.upper(): {
            "value": public_value(getattr(configuration.settings, name)),
            "source": configuration.sources[name],
            "group": _extra(field, "group"),
            "description": field.description,
        }
        for name, field in Settings.model_fields.items()
    }
    for name, given in _keys(configuration):
        shown[name] = {"value": MASK, "source": given.place, "group": _KEYS, "description": None}
    for name, given in configuration.given.items():
        if given.path is not None:
            shown[name]["file"] = str(given.path)
    return shown


def _keys(configuration: Configuration) -> list[tuple[str, Given]]:
    """What belongs to the providers, whose variables have names of their own."""
    known = {name.upper() for name in PRIVATE}
    return [(name, given) for name, given in configuration.given.items() if name not in known]


def _source(configuration: Configuration, name: str, otherwise: str) -> str:
    given = configuration.given.get(name)
    if given is None:
        return otherwise
    return given.place if given.path is None else f"{given.place} {given.path}"


def _print_table(configuration: Configuration) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Setting", "Value", "Source"):
        table.add_column(heading, overflow="fold")
    for group, fields in _groups():
        table.add_section()
        table.add_row(f"[dim]{group}[/dim]")
        for name, field in fields:
            source = configuration.sources[name]
            text = _text(getattr(configuration.settings, name))
            if not text:
                text = f"[dim]{_extra(field, 'shown_default')}[/dim]"
            style = None if source == "default" else "bold"
            shown = escape(_source(configuration, name.upper(), source))
            table.add_row(f"  {name.upper()}", text, shown, style=style)
    keys = _keys(configuration)
    if keys:
        table.add_section()
        table.add_row(f"[dim]{_KEYS}[/dim]")
    for name, given in keys:
        table.add_row(
            f"  {name}", MASK, escape(_source(configuration, name, given.place)), style="bold"
        )
    Console().print(table)
