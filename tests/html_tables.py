"""The tables of a page, and its text outside of them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import NamedTuple


class Table(NamedTuple):
    """Text of every cell; a cell over several columns stands in the first of them."""

    heads: list[str]
    rows: list[list[str]]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tables: list[Table] = []
        self.prose: list[str] = []
        self.within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("style", "table", "thead", "tr", "th", "td"):
            self.within.append(tag)
        if tag == "table":
            self.tables.append(Table([], []))
        elif tag == "tr" and "thead" not in self.within:
            self.tables[-1].rows.append([])
        elif tag in ("th", "td"):
            self._row().append("")

    def handle_endtag(self, tag: str) -> None:
        if self.within and tag == self.within[-1]:
            self.within.pop()

    def handle_data(self, data: str) -> None:
        if "style" in self.within:
            return
        if self.within and self.within[-1] in ("th", "td"):
            self._row()[-1] += data.replace("\u00a0", " ")
        elif "table" not in self.within:
            self.prose.append(data)

    def _row(self) -> list[str]:
        return self.tables[-1].heads if "thead" in self.within else self.tables[-1].rows[-1]


def tables_and_prose(page: str) -> tuple[list[Table], str]:
    """All tables of a page, and its text outside of them."""
    parser = _Page()
    parser.feed(page)
    return parser.tables, re.sub(r"\s+", " ", " ".join(parser.prose).replace("\u00a0", " "))
