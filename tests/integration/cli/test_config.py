"""`stockstream config`: the table, JSON, Markdown, and the README that holds it."""

import json
import re
from pathlib import Path

from stockstream.config import Settings

ROOT = Path(__file__).parents[3]


def test_every_setting_with_value_and_source(stockstream, tmp_path: Path):
    """One row each: from the environment, the file, a default, or not made yet; secrets masked."""
    (tmp_path / ".env").write_text("HOST=0.0.0.0\n")
    ended = stockstream("config", PORT="5000", ADMIN_TOKEN="hunter2-hunter2-hunter2")
    assert ended.code == 0, ended.err
    rows = dict(re.findall(r"^ *([A-Z0-9_]+)  +(.*?) *$", ended.out, re.MULTILINE))
    assert set(rows) == {name.upper() for name in Settings.model_fields}
    assert re.fullmatch(r"5000 +environment", rows["PORT"])
    assert re.fullmatch(r"0\.0\.0\.0 +\.env", rows["HOST"])
    assert re.fullmatch(r"0\.05 +default", rows["FLUSH_INTERVAL"])
    assert re.fullmatch(r"the bundled stub +default", rows["STOCK_API_URL"])
    assert re.fullmatch(r"\*+ +not made yet", rows["SECRET_KEY_BASE"])
    assert [path.name for path in tmp_path.iterdir()] == [".env"], "it only looks"
    assert "hunter2" not in ended.out


def test_json_has_the_same(stockstream, tmp_path: Path):
    """A program can read it: values in their types, passwords masked."""
    kept = "of-a-start-that-was-here-before-this-look-at-it"
    (tmp_path / ".stockstream").mkdir()
    (tmp_path / ".stockstream" / "secret_key_base").write_text(kept)
    ended = stockstream("config", "--json", DATABASE_URL="postgresql://u:hunter2@db/prices")
    assert ended.code == 0
    shown = json.loads(ended.out)
    assert set(shown) == {name.upper() for name in Settings.model_fields}
    assert shown["PORT"] == {
        "value": 4000,
        "source": "default",
        "group": "Server",
        "description": Settings.model_fields["port"].description,
    }
    assert shown["DATABASE_URL"]["value"] == "postgresql://********@db/prices"
    assert shown["DATABASE_URL"]["source"] == "environment"
    assert shown["CHAOS_ENABLED"]["value"] is False
    assert shown["SYMBOLS"]["value"] == []
    assert shown["SECRET_KEY_BASE"]["source"] == "generated"
    assert kept not in ended.out


def test_what_may_be_a_key_in_an_address_is_masked(stockstream):
    """By whatever name a provider calls it; a simulated market's parameters are shown."""
    query = "X-Api-Key=hunter2&auth=hunter2&sig=hunter2&appid=hunter2"
    database = "postgresql://h/prices?sslmode=require&user=u&password=hunter2"
    ended = stockstream(
        "config", "--json", STOCK_API_URL=f"https://p.example/v1?{query}", DATABASE_URL=database
    )
    assert "hunter2" not in ended.out
    shown = json.loads(ended.out)
    masked = query.replace("hunter2", "********")
    assert shown["STOCK_API_URL"]["value"] == f"https://p.example/v1?{masked}"
    assert shown["DATABASE_URL"]["value"] == database.replace("hunter2", "********")
    market = "sim://?symbols=10&interval=0.5"
    shown = json.loads(stockstream("config", "--json", STOCK_API_URL=market).out)
    assert shown["STOCK_API_URL"]["value"] == market


def test_markdown_shows_defaults_whatever_is_set(stockstream, tmp_path: Path):
    """The table of the README does not depend on the machine that made it, and writes nothing."""
    ended = stockstream("config", "--markdown", PORT="5000", LOG_LEVEL="nonsense")
    assert ended.code == 0
    assert "| `PORT` | `4000` |" in ended.out
    for name in Settings.model_fields:
        assert f"| `{name.upper()}` |" in ended.out
    assert list(tmp_path.iterdir()) == []


def test_the_readme_has_the_table_of_this_code(stockstream):
    """`make readme` brings it up to date."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    begin, end = "<!-- configuration: make readme -->", "<!-- /configuration -->"
    table = readme.partition(begin)[2].partition(end)[0].strip()
    assert table == stockstream("config", "--markdown").out.strip()
