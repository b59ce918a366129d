"""Damage to tables and YAML: what editors, spreadsheets and half-finished exports do to text."""

from __future__ import annotations

import random

CELLS = (
    b"", b"nan", b"inf", b"-1e400", b"1e400", b"1e308", b"9" * 400, b"1,5", b"'", b'"', b'"unclosed', b"=1+1", b"\x00",
    b"L1", b"0001-01-01", b"9999-12-31", b"2024-02-30", b"\xff\xfe", b"\xed\xa0\x80", b"x" * 140_000, b"\r", b"1_000",
    "\u0661\u0662".encode(), b"null", b"true", b"[]", b"{}", b"- a", b"*x", b"&x", b"!!python/object:os.system", b"~",
    b"? [a]", b"0x7fffffffffffffff", b"1e999999999", b"0b1", b"60:60:60", b"2001-13-99", b"\t", b"%", b"@", b"<<: *a",
)  # fmt: skip
# nine times nine times nine ... of one list, that nobody may write out
ALIAS_BOMB = b"a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 10)
) + b"ingest: {workers: *a9}\nvalidate: {kvp_min: *a9}\nprepare: {crop: *a9}\n"  # fmt: skip
SEPARATORS = (b",", b":", b"\n", b" ")


def damaged_text(rng: random.Random, text: bytes) -> tuple[str, bytes]:
    """Kind of damage, and the text with it."""
    kind = rng.choice(("cell", "cell", "cell", "line", "bytes", "cut", "encoding", "nesting", "columns"))
    lines = text.splitlines(keepends=True)
    number = rng.randrange(len(lines))
    if kind == "cell":
        separator = rng.choice(SEPARATORS)
        cells = lines[number].split(separator)
        cells[rng.randrange(len(cells))] = rng.choice(CELLS)
        lines[number] = separator.join(cells)
        return kind, b"".join(lines)
    if kind == "line":
        other = lines[rng.randrange(len(lines))]
        lines[number : number + 1] = rng.choice(
            ([], [other], [lines[number]] * 2, [b"\n"], [lines[number].strip()])
        )
        return kind, b"".join(lines)
    if kind == "bytes":
        blob = bytearray(text)
        for _ in range(rng.choice((1, 4, 64))):
            blob[rng.randrange(len(blob))] = rng.randrange(256)
        return kind, bytes(blob)
    if kind == "cut":
        return kind, text[: rng.randrange(len(text))]
    if kind == "encoding":
        encoding = rng.choice(("utf-16", "utf-32", "utf-8-sig", "cp037"))
        return kind, text.decode("utf-8", "replace").encode(encoding, "replace")
    if kind == "nesting":
        depth = rng.choice((50, 3000, 100_000))
        piece = rng.choice(
            (b"[" * depth, b"{a: " * depth, b"- " * depth, b'"' * depth, b"\n".join([b"a:"] * 40))
        )
        lines.insert(number, piece + b"\n")
        return kind, b"".join(lines)
    return kind, b"".join(
        b",".join(rng.sample(cells, len(cells))) for cells in (line.split(b",") for line in lines)
    )
