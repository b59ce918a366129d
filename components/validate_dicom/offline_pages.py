"""Great Expectations' pages made readable with no network: no foreign script, style, font, image or tracker."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined

from components.validate_dicom.validation import SuiteOutcome

_HERE = Path(__file__).parent

_DROPPED = (
    re.compile(r"<script\b.*?</script\s*>", re.DOTALL | re.IGNORECASE),
    re.compile(r"<style\b.*?</style\s*>", re.DOTALL | re.IGNORECASE),
    re.compile(r"<(iframe|object|video|audio|footer|svg)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE),
    re.compile(r"<(?:link|img|source|embed)\b[^>]*>", re.IGNORECASE),
    re.compile(r"<title>\s*</title>", re.IGNORECASE),
)
_FOREIGN_ANCHOR = re.compile(
    r"<a\b[^>]*href\s*=\s*[\"']?(?:https?:)?//[^>]*>(.*?)</a\s*>", re.DOTALL | re.IGNORECASE
)
_HEAD_END = re.compile(r"</head\s*>", re.IGNORECASE)
_BODY = re.compile(r"(<body\b[^>]*>)", re.IGNORECASE)
# a column may hold what reads like an address; only attributes that fetch are of interest, and styles that do
_FOREIGN_STYLE = re.compile(r"url\(\s*['\"]?(?:https?:)?//[^)]*\)", re.IGNORECASE)
_NOTICE = '<p class="notice">These data are simulated phantoms, not patients.</p>'


def make_offline(folder: Path, outcomes: Sequence[SuiteOutcome], data_kind: str) -> None:
    """Rewrite every page under `folder` in place, and the index, which was all script, anew.

    Parameters
    ----------
    folder
        Data Docs as Great Expectations wrote them.
    outcomes
        The suites that were run, for the index.
    data_kind
        "simulated" puts a notice on every page.
    """
    stylesheet = _stylesheet("pages.css") + _stylesheet("data_docs.css")
    for page in sorted(folder.rglob("*.html")):
        page.write_text(
            offline_page(page.read_text(encoding="utf-8"), stylesheet, data_kind), encoding="utf-8"
        )
    (folder / "index.html").write_text(_index_page(folder, outcomes, data_kind), encoding="utf-8")
    shutil.rmtree(folder / "static", ignore_errors=True)


def offline_page(html: str, stylesheet: str, data_kind: str) -> str:
    """One page without anything fetched from elsewhere, in our style, marked when data are simulated."""
    for pattern in _DROPPED:
        html = pattern.sub("", html)
    html = _FOREIGN_STYLE.sub("none", _FOREIGN_ANCHOR.sub(r"\1", html))
    html = _HEAD_END.sub(lambda _: f"<style>{stylesheet}</style></head>", html, count=1)
    if data_kind == "simulated":
        html = _BODY.sub(lambda match: match.group(1) + _NOTICE, html, count=1)
    return html


def _index_page(folder: Path, outcomes: Sequence[SuiteOutcome], data_kind: str) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = environment.from_string((_HERE / "data_docs_index.html.j2").read_text(encoding="utf-8"))
    lines = [
        {
            "outcome": outcome,
            "result": _link(folder, f"validations/{outcome.table}/**/*.html"),
            "suite": _link(folder, f"expectations/{outcome.table}.html"),
        }
        for outcome in outcomes
    ]
    return template.render(lines=lines, stylesheet=_stylesheet("pages.css"), data_kind=data_kind)


def _link(folder: Path, pattern: str) -> str:
    (page,) = folder.glob(pattern)
    return quote(page.relative_to(folder).as_posix())


def _stylesheet(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
