"""docs/design/field.md names, for each row, a test that exists and carries its id."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| ([A-F]\d+) \| .{20,} \| (`[^|]+`) \|$")
NAMED = re.compile(r"^(?:    )?(?:async )?def (test_[a-fA-F]\d+_\w+)", re.MULTILINE)


def rows() -> dict[str, list[str]]:
    lines = (ROOT / "docs" / "design" / "field.md").read_text().splitlines()
    found = [ROW.match(line) for line in lines if re.match(r"\| [A-F]\d", line)]
    assert all(found), "each row has an id, what holds, and tests in backquotes"
    return {row[1]: re.findall(r"`([^`]+)`", row[2]) for row in found if row}


def test_each_row_names_tests_that_exist_and_carry_its_id() -> None:
    listed = rows()
    assert len(listed) >= 33
    for row, tests in listed.items():
        assert tests, row
        for test in tests:
            file, _, name = test.partition("::")
            assert name.lower().startswith(f"test_{row.lower()}_"), f"{row}: {test}"
            assert name in NAMED.findall((ROOT / file).read_text()), f"{row}: {test} does not exist"
