"""Joining modules: the script does what they do, and says where it comes from."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from web.bundle import BundleError, bundle
from web.front_end import ENTRIES, front_end

if TYPE_CHECKING:
    from pathlib import Path

MAIN = """
/** The entry. */
import { double as twice, Counter } from "./parts/numbers.js";
import {
  SEPARATOR,
  later,
} from "./text.js";
import "./parts/effect.js";

// Its own `count`, beside that of another module.
const count = new Counter();
const words = ["a // b", 'c /* d */', `e ${"f"}`];
console.log([...words, twice(/** @type {number} */ (count.next())), await later()].join(SEPARATOR));
"""
NUMBERS = """
import { SEPARATOR } from "../text.js";

/** @typedef {import("../main.js").Nothing} Nothing */

export {};

/**
 * export function notThis() {}
 */
export function double(number) {
  return number * 2;
}

let count = 20;

export class Counter {
  /* One line. */
  #length = SEPARATOR.length;
  get #steps() {
    return ["#length"].map(() => this.#length);
  }
  next() {
    count += this.#steps.length * this.#length;
    return count;
  }
}
"""
TEXT = """
export const SEPARATOR = "|";
export async function later() {
  return "later";
}
"""
SOURCES = {
    "js/main.js": MAIN,
    "js/parts/numbers.js": NUMBERS,
    "js/parts/effect.js": 'console.log("effect");\n',
    "js/text.js": TEXT,
}

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="no Node on PATH")


def joined(**changed: str) -> dict[str, bytes]:
    """The bundle of the sources, some of them changed."""
    sources = SOURCES | {f"js/{name}.js": text for name, text in changed.items()}
    return bundle({name: text.encode() for name, text in sources.items()}, "js/main.js")


def run(folder: Path, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    return subprocess.run(
        ["node", *options, name], cwd=folder, capture_output=True, text=True, check=False
    )


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


@needs_node
def test_a_bundle_says_what_its_modules_say(tmp_path: Path) -> None:
    """In their order, each with its own names."""
    write(tmp_path, {name: text.encode() for name, text in SOURCES.items()} | joined())
    plain = run(tmp_path, "js/main.js")
    assert plain.stdout == "effect\na // b|c /* d */|e f|42|later\n", plain.stderr
    assert run(tmp_path, "js/main.bundle.js").stdout == plain.stdout
    script = joined()["js/main.bundle.js"].decode()
    assert "The entry" not in script
    assert "this.#length" not in script


def test_what_an_entry_exports_is_there_for_who_imports_its_bundle() -> None:
    """A part of a page that is fetched later is a module, and so is its bundle."""
    sources = {
        "js/part.js": b'import { a } from "./a.js";\nexport function made() {\nreturn a;\n}\n',
        "js/a.js": b"export const a = 1;\n",
    }
    lines = bundle(sources, "js/part.js")["js/part.bundle.js"].decode().splitlines()
    assert lines[-2] == "export { made };"
    assert bundle(sources, "js/a.js")["js/a.bundle.js"].startswith(b"const a = 1;\nexport { a };\n")


@needs_node
def test_an_error_in_a_bundle_is_told_by_its_module_and_line(tmp_path: Path) -> None:
    """That is what its source map is for."""
    failing = NUMBERS.replace("return number * 2;", 'throw new Error("here");')
    line = failing.splitlines().index('  throw new Error("here");') + 1
    files = joined(**{"parts/numbers": failing})
    write(tmp_path, {"js/parts/numbers.js": failing.encode(), "js/main.js": MAIN.encode()} | files)
    told = run(tmp_path, "js/main.bundle.js", "--enable-source-maps").stderr
    assert re.search(rf"js/parts/numbers\.js:{line}\b", told), told
    called = next(n for n, text in enumerate(MAIN.splitlines(), 1) if text.startswith("console"))
    assert re.search(rf"js/main\.js:{called}\b", told), told


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("text", "export default 1;\n", "js/text.js:1: what is exported is"),
        ("text", "\nexport let now = 1;\n", "js/text.js:2: what is exported is"),
        ("text", 'export * from "./parts/effect.js";\n', "js/text.js:1: what is exported is"),
        ("text", 'import * as parts from "./parts/effect.js";\n', "js/text.js:1: imports are"),
        ("text", 'import { a } from "somewhere";\n', "js/text.js:1: imports are"),
        ("text", 'import { a } from "./gone.js";\n', "imports js/gone.js, which is not there"),
        ("text", 'import { a } from "./main.js";\n', "js/text.js:1: it and js/main.js import each"),
        ("text", "const a = `b\nc`;\n", "js/text.js:1: a template literal over several lines"),
        ("text", "await 1;\n", "js/text.js:1: only the page's own module can wait"),
        (
            "parts/effect",
            "\n  new URL(import.meta.url);\n",
            "js/parts/effect.js:2: only modules",
        ),
    ],
)
def test_what_cannot_be_joined_is_named_by_file_and_line(name: str, text: str, told: str) -> None:
    """At the start, and not by a page that does something else."""
    with pytest.raises(BundleError, match=re.escape(told)):
        joined(**{name: text})


@needs_node
@pytest.mark.parametrize("entry", ENTRIES)
def test_the_pages_scripts_can_be_joined(entry: str, tmp_path: Path) -> None:
    """And what comes of it is JavaScript."""
    script = front_end().files[entry.replace(".js", ".bundle.js")].plain.body
    write(tmp_path, {"page.js": script})
    checked = run(tmp_path, "page.js", "--check")
    assert checked.returncode == 0, checked.stderr
