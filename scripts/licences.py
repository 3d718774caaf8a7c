"""Check the licences in a bill of materials (CycloneDX): `scripts/licences.py SBOM [LOCK]`.

What LOCK names goes out with the product; what else is installed is a tool. Exit code 1 when a
component has no licence that may be, or tells none; 2 when the files cannot be read.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

PERMISSIVE = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "CNRI-Python",
        "HPND",
        "ISC",
        "MIT",
        "MIT-0",
        "PostgreSQL",
        "PSF-2.0",
        "Unlicense",
        "Zlib",
    }
)
"""They ask that their text stays with a copy, and nothing of what is linked to it."""
BY_FILE = frozenset({"MPL-2.0"})
"""It holds for its own files, which we pass on as they are."""
OF_TOOLS = frozenset({"GPL-3.0", "GPL-3.0-only", "GPL-3.0-or-later"})
"""A tool may have these: it is run, and goes nowhere with the product."""
CLASSIFIERS = {
    "License :: OSI Approved": None,
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: GNU General Public License v3 (GPLv3)": "GPL-3.0",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
}
READ_BY_US = {
    "axe-playwright-python 0.1.8": "MIT",
    "kubernetes-validate 1.37.0": "Apache-2.0",
    "protobuf 7.36.2": "BSD-3-Clause",
}
"""Components whose own data tell no licence, and what their files say. By version: a new one is
read again."""
_OWN = frozenset({"stockstream", "trio-supervision"})


def normalised(name: str) -> str:
    """A distribution's name, as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(lock: str) -> frozenset[str]:
    """The names in a lock file."""
    lines = (line.partition(";")[0].strip() for line in lock.splitlines())
    names = (re.split(r"[\s=<>\[~!]", line)[0] for line in lines if line[:1].isalpha())
    return frozenset(normalised(name) for name in names)


def allowed(expression: str, licences: frozenset[str]) -> bool:
    """Whether an SPDX expression can be met: each AND, one of each OR.

    An exception (WITH) only permits more. One that mixes both in brackets is read by a person.
    """
    text = re.sub(r"\s+WITH\s+[\w.-]+", "", expression).replace("(", " ").replace(")", " ")
    if "(" in expression and " AND " in text and " OR " in text:
        return False
    return all(
        any(one.strip() in licences for one in part.split(" OR ")) for part in text.split(" AND ")
    )


def licences_of(component: dict[str, object]) -> list[str]:
    """What a component says of its licence: SPDX identifiers and expressions."""
    said: list[str] = []
    entries = component.get("licenses")
    for entry in entries if isinstance(entries, list) else []:
        licence = entry.get("license", {})
        text = entry.get("expression") or licence.get("id") or licence.get("name", "")
        known = CLASSIFIERS.get(text, text)
        if known is not None and known not in said:
            said.append(known)
    return said


def faults(sbom: dict[str, object], shipped: frozenset[str]) -> list[str]:
    """A line for each component that may not be there."""
    found = []
    components = sbom.get("components")
    for component in components if isinstance(components, list) else []:
        name, version = normalised(component["name"]), component.get("version", "?")
        if name in _OWN:
            continue
        licences = PERMISSIVE | BY_FILE | (frozenset() if name in shipped else OF_TOOLS)
        said = licences_of(component) or [READ_BY_US.get(f"{name} {version}", "")]
        if not any(allowed(one, licences) for one in said):
            kind = "goes out with the product" if name in shipped else "is a tool"
            told = " and ".join(filter(None, said)) or "no licence told"
            found.append(f"{name} {version}, which {kind}: {told}")
    return found


def main(arguments: list[str]) -> int:
    """See the module."""
    if not 1 <= len(arguments) <= 2:
        print("usage: scripts/licences.py SBOM [LOCK]", file=sys.stderr)
        return 2
    try:
        sbom = json.loads(Path(arguments[0]).read_bytes())
        lock = Path(arguments[1]).read_text(encoding="utf-8") if arguments[1:] else ""
    except (OSError, ValueError) as error:
        print(f"scripts/licences.py: {error}", file=sys.stderr)
        return 2
    bad = faults(sbom, locked(lock))
    for line in bad:
        print(f"licence not allowed: {line}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
