"""Write the configuration table, as the code has it, into README.md."""

import re
from pathlib import Path

from stockstream.cli.config import markdown_table

README = Path(__file__).parent.parent / "README.md"
BETWEEN = re.compile(
    r"(?<=<!-- configuration: make readme -->\n).*(?=<!-- /configuration -->)", re.DOTALL
)


def main() -> None:
    text = README.read_text(encoding="utf-8")
    table = markdown_table()
    README.write_text(BETWEEN.sub(lambda _: f"\n{table}\n", text), encoding="utf-8")


if __name__ == "__main__":
    main()
