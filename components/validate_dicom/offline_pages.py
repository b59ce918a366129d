"""Great Expectations' pages made readable with no network: no foreign script, style, font, image or tracker."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

_HERE = Path(__file__).parent


def make_offline(folder: Path, data_kind: str) -> None:
    """Rewrite every page under `folder` in place and drop the static files that no page needs any more."""
    stylesheet = (_HERE / "data_docs.css").read_text(encoding="utf-8")
    for page in sorted(folder.rglob("*.html")):
        page.write_text(
            offline_page(page.read_text(encoding="utf-8"), stylesheet, data_kind), encoding="utf-8"
        )
    shutil.rmtree(folder / "static", ignore_errors=True)


_SCRIPT = re.compile(r"<script\b.*?</script\s*>", re.DOTALL | re.IGNORECASE)
_LINK = re.compile(r"<link\b[^>]*>", re.IGNORECASE)
_STYLE = re.compile(r"<style\b.*?</style\s*>", re.DOTALL | re.IGNORECASE)
_MEDIA = re.compile(r"<(?:img|source|embed)\b[^>]*>", re.IGNORECASE)
_FRAME = re.compile(r"<(iframe|object|video|audio)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_FOREIGN_ANCHOR = re.compile(
    r"<a\b[^>]*href\s*=\s*[\"']?(?:https?:)?//[^>]*>(.*?)</a\s*>", re.DOTALL | re.IGNORECASE
)
_HEAD_END = re.compile(r"</head\s*>", re.IGNORECASE)
_BODY = re.compile(r"(<body\b[^>]*>)", re.IGNORECASE)


def offline_page(html: str, stylesheet: str, data_kind: str) -> str:
    """One page without anything fetched from elsewhere, in our style, marked when data are simulated."""
    for pattern in (_SCRIPT, _LINK, _STYLE, _FRAME, _MEDIA):
        html = pattern.sub("", html)
    html = _FOREIGN_ANCHOR.sub(r"\1", html)
    html = _HEAD_END.sub(lambda _: f"<style>{stylesheet}</style></head>", html, count=1)
    if data_kind == "simulated":
        notice = '<p class="notice">These data are simulated phantoms, not patients.</p>'
        html = _BODY.sub(lambda match: match.group(1) + notice, html, count=1)
    return html
