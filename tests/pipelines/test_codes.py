"""The page of codes is the enumeration's, and `osteogate codes` says the same."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from models.refusal import MEANINGS, NOT_LOOKED_FOR, Code
from pipelines.codes_page import HEADINGS, codes_markdown
from tests.command_line import ROOT, one_line, osteogate

PAGE = ROOT / "docs" / "codes.md"


def test_the_committed_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == codes_markdown(), (
        "write it anew: osteogate codes --markdown > docs/codes.md"
    )


def test_every_code_stands_once_on_the_page_under_what_it_rests_on() -> None:
    found: dict[str, tuple[str, str, str]] = {}
    heading = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        row = re.fullmatch(r"\| `([A-Z0-9_]+)` \| (.+?) \| (.+) \|", line)
        if row:
            assert row[1] not in found
            found[row[1]] = (heading, row[2], row[3])
    assert set(found) == {code.value for code in Code}
    for code in Code:
        assert found[code.value] == (
            HEADINGS.get(MEANINGS[code].basis, MEANINGS[code].basis.capitalize()),
            MEANINGS[code].meaning,
            MEANINGS[code].action,
        )


def test_the_page_says_what_no_code_stands_for() -> None:
    last = PAGE.read_text(encoding="utf-8").split("## ")[-1]
    assert last.startswith("Not looked for")
    assert all(f"- {name}: {why}." in last for name, why in NOT_LOOKED_FOR.items())
    assert "focal bone lesion" in last


def test_the_command_explains_one_code_as_json(tmp_path: Path) -> None:
    done = osteogate("codes", "gantry_tilt", "--json", home=tmp_path)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert row == {
        "code": "GANTRY_TILT",
        "basis": "geometry",
        "meaning": MEANINGS[Code.GANTRY_TILT].meaning,
        "action": MEANINGS[Code.GANTRY_TILT].action,
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [(("NO_SUCH",), "unknown code NO_SUCH"), (("--markdown", "--json"), "--markdown writes the whole page")],
)
def test_wrong_use_is_one_line(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = osteogate("codes", *words, home=tmp_path)
    assert done.returncode == 2
    assert said in one_line(done)
