"""Write what the code and the values know for the Helm chart: the settings that its schema takes,
the table of its README, the version of the program, its picture.

With `--check`, only say what is not as it would be written.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from base64 import b64encode
from itertools import takewhile
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from stockstream.config import PRIVATE, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

ROOT = Path(__file__).parent.parent
CHART = ROOT / "deploy" / "helm" / "stockstream"
SCHEMA, README, VALUES = CHART / "values.schema.json", CHART / "README.md", CHART / "values.yaml"
ABOUT = CHART / "Chart.yaml"
PICTURE = ROOT / "web" / "static" / "favicon.svg"
OF_THE_CHART = {
    "stockstream_env": "it is production",
    "port": "the ports of the pods",
    "data_directory": "a volume",
    "dashboard": "a value of its own",
    "trusted_proxies": "a value of its own",
    "node_name": "the pod's name",
    "node_url": "the pod's address",
    "backup_directory": "a volume",
    "stub_port": "there is no bundled stub",
    "cluster_nats_credentials": "a file: secrets.keys",
    "cluster_nats_ca": "a file: secrets.keys",
}
"""Settings that the chart gives itself."""
MAY_STAND_OPEN = {
    "stock_api_url": r"^(https?|sim)://[^@]+$",
    "providers": r"^[^@]+$",
    "cluster_nats_url": r"^[^@]+$",
}
"""Private settings that may stand in a ConfigMap where nothing in them can be a password."""
FILES = ("CLUSTER_NATS_CREDENTIALS", "CLUSTER_NATS_CA", "SSL_CERT_FILE")
"""Variables that hold the path of a file, beside those that end with _FILE."""
KEY = {"type": "string", "pattern": "^[-._a-zA-Z0-9]*$", "maxLength": 253}
BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
PLAIN = {bool: "boolean", int: "integer", float: "number"}
BETWEEN = re.compile(r"(?<=<!-- values: make readme -->\n).*(?=<!-- /values -->)", re.DOTALL)


def settings_schema() -> dict[str, Any]:
    """What may stand in `settings`: each setting that is no secret, with its type."""
    shown = {
        name: field
        for name, field in Settings.model_fields.items()
        if name not in OF_THE_CHART and (name not in PRIVATE or name in MAY_STAND_OPEN)
    }
    properties = {name.upper(): _schema_of(name, field) for name, field in shown.items()}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def secrets_schema() -> dict[str, Any]:
    """What may stand in `secrets.keys`."""
    names = [*(name.upper() for name in PRIVATE), *FILES]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": dict.fromkeys(names, KEY),
        "patternProperties": {"^[A-Z][A-Z0-9_]*_API_(KEY|SECRET)$": KEY},
    }


def _schema_of(name: str, field: FieldInfo) -> dict[str, Any]:
    described: dict[str, Any] = {"description": field.description}
    if name in MAY_STAND_OPEN:
        return described | {"type": "string", "pattern": MAY_STAND_OPEN[name]}
    kind = field.annotation
    if get_origin(kind) in {Union, UnionType}:
        kind = next(each for each in get_args(kind) if each is not type(None))
    if get_origin(kind) is Literal:
        return described | {"type": "string", "enum": list(get_args(kind))}
    bounds = {
        word: getattr(each, name)
        for each in field.metadata
        for name, word in BOUNDS.items()
        if hasattr(each, name)
    }
    known = next((word for each, word in PLAIN.items() if kind is each), "string")
    return described | {"type": known} | bounds


def described() -> Iterator[tuple[str, str, str]]:
    """Each value with its default and what it means, as the comments of values.yaml tell."""
    lines = VALUES.read_text(encoding="utf-8").splitlines()
    above: list[str] = []
    for number, line in enumerate(lines):
        indent, key, rest = _parts(line)
        if key is None:
            continue
        above = [*above[: indent // 2], key]
        comment = lines[number - 1].strip()
        if comment.startswith("# -- "):
            default = rest or "{" + ", ".join(_below(lines[number + 1 :], indent)) + "}"
            yield ".".join(above), default, comment.removeprefix("# -- ")


def _below(lines: list[str], indent: int) -> list[str]:
    """The lines of a value that is a mapping; a blank one ends it."""
    deeper = " " * (indent + 1)
    return [each.strip() for each in takewhile(lambda line: line.startswith(deeper), lines)]


def _parts(line: str) -> tuple[int, str | None, str]:
    found = re.fullmatch(r"( *)([A-Za-z_]+):(?: (.*))?", line)
    return (len(found[1]), found[2], found[3] or "") if found else (0, None, "")


def files() -> dict[Path, str]:
    """All files as they should be."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    schema["$defs"] |= {"settings": settings_schema(), "secretKeys": secrets_schema()}
    rows = [f"| `{name}` | `{default}` | {text} |" for name, default, text in described()]
    table = "\n".join(["", "| Value | Default | |", "|---|---|---|", *rows, "", ""])
    readme = BETWEEN.sub(lambda _: table, README.read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = project["version"]
    picture = b64encode(PICTURE.read_bytes()).decode()
    about = ABOUT.read_text(encoding="utf-8")
    about = re.sub(r"(?m)^appVersion: .*$", f'appVersion: "{version}"', about)
    about = re.sub(r"(?m)^icon: .*$", f"icon: data:image/svg+xml;base64,{picture}", about)
    made = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return {SCHEMA: made, README: readme, ABOUT: about}


def main() -> None:
    """Write them, or say what is wrong."""
    made = files()
    if sys.argv[1:] == ["--check"]:
        other = [path for path, text in made.items() if path.read_text(encoding="utf-8") != text]
        names = ", ".join(path.name for path in other)
        sys.exit(f"{CHART.name}: {names}: `make readme` writes it anew" if other else None)
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
