"""Draw the table of docs/design/failures.md from the rows in code. `--check`: only report whether it is up to date."""

import sys
from pathlib import Path

from switchwise.failures import ROWS, Row

PAGE = Path(__file__).resolve().parents[1] / "docs" / "design" / "failures.md"
BEGIN, END = "<!-- drawn by tools/draw_failures.py -->\n", "<!-- end -->"


def statuses(row: Row) -> str:
    """The statuses of a row, whole classes as 4xx."""
    at = sorted(row.at)
    if not at:
        return "any"
    groups = [(low, [s for s in at if s // 100 == low // 100]) for low in (100 * (s // 100) for s in at)]
    shown = dict.fromkeys(f"{low // 100}xx" if len(members) > 20 else ", ".join(map(str, members)) for low, members in groups)
    return ", ".join(shown)


def line(row: Row) -> str:
    """A row as a line of the table."""
    signs = [f"word `{row.words}`"] if row.words else []
    unless = f" and not `{row.unless}`" if row.unless else ""
    signs += [f"text `{row.text}`{unless}"] if row.text else []
    signs += [f"`{row.test.__name__}`"] if row.test else []
    words = " or ".join(signs) or "the status alone"
    return f"| `{row.kind}` | {statuses(row)} | {words.replace('|', chr(92) + '|')} | {row.example} |"


def drawn() -> str:
    """The whole table."""
    lines = ["| kind | status | recognised by | seen |", "|---|---|---|---|", *(line(row) for row in ROWS)]
    return "\n".join(lines) + "\n"


def main() -> int | str:
    """Write the table into the page, or check it."""
    page = PAGE.read_text()
    head, rest = page.split(BEGIN)
    tail = rest[rest.index(END) :]
    now = f"{head}{BEGIN}{drawn()}{tail}"
    if "--check" in sys.argv:
        return 0 if now == page else f"{PAGE.name} is not what the rows say: run tools/draw_failures.py"
    PAGE.write_text(now)
    return 0


if __name__ == "__main__":
    sys.exit(main())
