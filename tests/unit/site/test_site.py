"""The documentation's site: pages that the code tells, links, what is wrong with a built one."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest
import yaml

from scripts.site import benchmarks, links, reference, server_pages
from scripts.site.__main__ import main
from scripts.site.staging import BESIDE, CONFIG, for_builder, named, stage
from stockstream.cli import build
from stockstream.config import Settings

ROOT = Path(__file__).parents[3]
HERE = PurePosixPath("docs/watch.md")


def test_the_settings_are_all_there_with_their_groups() -> None:
    text = reference.settings()
    assert all(f"| `{name.upper()}` |" in text for name in Settings.model_fields)
    assert "\n## Circuit breaker\n" in text


def test_each_command_and_each_verb_has_its_help() -> None:
    text = reference.commands()
    for name in build():
        if not name.startswith("-"):
            assert f"\n## stockstream {name}\n" in text
    assert "\n### stockstream db backup\n" in text
    assert (
        "Start everything: market, delivery, dashboard" in text
    )  # the docstring, as --help has it
    assert ".venv" not in text
    headings = re.findall(r"(?m)^#+ (.+)$", text)
    anchors = {heading.replace(" ", "-").lower() for heading in headings}
    assert len(headings) == len(set(headings))
    assert set(re.findall(r"\(#([^)]+)\)", text)) <= anchors


def test_exit_codes_are_what_commands_say_of_them() -> None:
    text = reference.exit_codes()
    assert "Of every command: 0 done, 1 could not start or failed" in text
    assert "| `stockstream doctor` | 0 no check failed" in text


def test_each_message_of_the_websocket_has_its_fields_and_an_example() -> None:
    document = yaml.safe_load(server_pages.ASYNCAPI.read_text())
    text = server_pages.messages_page(document)
    for name in document["components"]["messages"]:
        assert f"\n### {name}\n" in text
    assert '```json\n{"action": "subscribe"' in text
    assert "| `max_rate` | number or null, may be missing |" in text


def test_a_route_is_told_with_what_it_takes_and_answers() -> None:
    """The document itself is what a started server answers; that one is tested elsewhere."""
    document = {
        "info": {"version": "1.2.3", "description": "About."},
        "paths": {
            "/api/v1/things/{id}": {
                "get": {
                    "tags": ["things"],
                    "summary": "One thing",
                    "parameters": [
                        {"name": "id", "in": "path", "schema": {"type": "integer"},
                         "description": "Which | one."},
                    ],
                    "responses": {
                        "200": {
                            "description": "It.",
                            "content": {"application/json": {"schema": {"$ref": "#/x/Thing"}}},
                        },
                    },
                },
            },
        },
        "components": {
            "schemas": {
                "Thing": {
                    "required": ["name"],
                    "properties": {
                        "name": {"type": "string"},
                        "kind": {"enum": ["a", None]},
                        "of": {"anyOf": [{"type": "null"}, {"type": "array", "items": {}}]},
                    },
                },
            },
        },
    }  # fmt: skip
    text = server_pages.api_page(document)
    assert "## Things\n\n### GET /api/v1/things/{id}\n\nOne thing" in text
    assert "| `id` | path | integer | Which \\| one. |" in text
    assert "| 200 | It. | [Thing](#thing) |" in text
    assert "| `name` | string |" in text
    assert '| `kind` | `"a"`, `null`, may be missing |' in text
    assert "| `of` | null or array of any, may be missing |" in text


def test_every_result_of_a_benchmark_has_a_table() -> None:
    text = benchmarks.pages(ROOT)["benchmarks.md"]
    assert "## Others" not in text
    results = [one for one in (ROOT / "bench/results").glob("*.json") if "-quick" not in one.name]
    assert text.count("\n*Measured 20") == len(results)
    assert "| equal sets of 20: us per update |" in text
    assert "There are results without a table here: new." in benchmarks.page({"new": {}})


@pytest.mark.parametrize(
    ("text", "there", "without"),
    [
        ("[a](feeds.md#x)", "[a](feeds.md#x)", "[a](feeds.md#x)"),
        ("[a](../CHANGELOG.md)", "[a](changelog.md)", "[a](changelog.md)"),
        (
            "[a](../supervision/README.md#what-is-not)",
            "[a](reference/runtime.md#what-is-not)",
            "[a](reference/runtime.md#what-is-not)",
        ),
        ("[`a`](../pyproject.toml)", "[`a`](https://x/blob/pyproject.toml)", "`a`"),
        ("[a](https://x.io) [b](#c)", "[a](https://x.io) [b](#c)", "[a](https://x.io) [b](#c)"),
        ("![a](images/b.png)", "![a](images/b.png)", "![a](images/b.png)"),
        ("Words\n- one\n  - two", "Words\n\n- one\n    - two", "Words\n\n- one\n    - two"),
        ("```\nW\n- [a](../x)\n```", "```\nW\n- [a](../x)\n```", "```\nW\n- [a](../x)\n```"),
    ],
)  # fmt: skip
def test_a_page_is_written_as_builders_read_it(text: str, there: str, without: str) -> None:
    assert for_builder(text, HERE, "https://x/blob/") == f"{there}\n"
    assert for_builder(text, HERE, "") == f"{without}\n"


def test_links_of_a_file_beside_docs_lead_from_where_the_site_has_it() -> None:
    place = PurePosixPath("supervision/README.md")
    text = "[a](../docs/adr/0196-x.md) [b](../SECURITY.md)"
    assert for_builder(text, place, "") == "[a](../adr/0196-x.md) [b](../security.md)\n"


def test_the_navigation_names_pages_that_are_there_and_takes_in_the_rest(tmp_path: Path) -> None:
    made = dict.fromkeys(
        ("reference/settings.md", "reference/commands.md", "reference/exit-codes.md",
         "reference/api.md", "reference/messages.md", "benchmarks.md", "late.md"),
        "# Made\n",
    )  # fmt: skip
    said = stage(ROOT, tmp_path, made, "")
    config = yaml.safe_load((tmp_path / CONFIG).read_text())
    pages = list(named(config["nav"]))
    assert [name for name in pages if not (tmp_path / "pages" / name).exists()] == []
    assert len(pages) == len(set(pages))
    every = {path.relative_to(tmp_path / "pages").as_posix() for path in tmp_path.rglob("*.md")}
    assert {name for name in every if not name.startswith("adr/")} <= set(pages)
    assert any(line.startswith("late.md is not in the navigation") for line in said)
    assert set(BESIDE.values()) <= set(pages)
    assert config["theme"]["font"] is False


def test_what_is_wrong_with_a_built_site_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<h1 id="here">A</h1><a href="b.html#there">b</a><a href="#here">h</a>'
        '<a href="https://elsewhere.example">e</a><img src="data:,x"><a href="sub/">s</a>'
    )
    (tmp_path / "b.html").write_text('<a name="there"></a><a href="a.html">a</a>')
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/index.html").write_text('<a href="../a.html#here">a</a>')
    assert links.faults(tmp_path) == []
    (tmp_path / "c.html").write_text(
        '<a href="gone.html">g</a><a href="b.html#gone">g</a><a href="../../etc">u</a>'
        '<script src="https://cdn.example/x.js"></script>'
        '<link rel="preconnect" href="//fonts.example"><link rel="next" href="https://x.example">'
    )
    (tmp_path / "d.css").write_text("@import url(https://fonts.example/f.css); a{b:url(x.png)}")
    assert links.faults(tmp_path) == [
        "c.html: loads //fonts.example",
        "c.html: loads https://cdn.example/x.js",
        "c.html: ../../etc: leaves the site",
        "c.html: b.html#gone: has no such anchor",
        "c.html: gone.html: is not there",
        "d.css: loads https://fonts.example/f.css",
    ]
    assert main(["check", str(tmp_path)]) == 1
    assert main(["check", str(tmp_path / "none")]) == 1
    assert main([]) == 2
