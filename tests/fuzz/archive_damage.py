"""Zip and tar archives with members that lie about their names, kinds and sizes, and with broken streams."""

from __future__ import annotations

import io
import random
import struct
import tarfile
import zipfile

from tests.fuzz.byte_damage import flipped

NAMES = (
    "../evil", "/etc/evil", "..\\evil", "C:/evil", "a/../../evil", "a\0b", "x" * 4000, "d/" * 200 + "f", "", ".", "..",
    "IM1", "im1", "IM1/under", "\u202eevil", "\udce4", "CON", "a//b", "./a", "~/a", "IM1 ", "\n",
)  # fmt: skip
TAR_KINDS = (
    tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE,
    tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
    tarfile.GNUTYPE_SPARSE, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, b"Z",
)  # fmt: skip
PAX = (
    {"size": "-1"}, {"size": "99999999999"}, {"size": "x"}, {"path": "../evil"}, {"mtime": "1e400"},
    {"uid": "x" * 9000},
    {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "99999999999"},
    {"GNU.sparse.map": "0,1,5,x"}, {"GNU.sparse.size": "-5"}, {"charset": "BINARY"}, {"hdrcharset": "ISO-9999"},
)  # fmt: skip
MODES = ("w:", "w:gz", "w:bz2", "w:xz")


def damaged_archive(rng: random.Random, images: list[bytes]) -> tuple[str, bytes]:
    """Kind of damage, and the archive with it."""
    kind = rng.choice(("zip", "tar"))
    blob = _zip(rng, images) if kind == "zip" else _tar(rng, images)
    how = rng.choice(("members", "members", "bytes", "cut", "fields", "twice"))
    if how == "bytes":
        blob = flipped(rng, blob, rng.choice((1, 4, 64)))
    elif how == "cut":
        blob = blob[: rng.randrange(len(blob))]
    elif how == "fields" and kind == "zip":
        blob = _other_directory(rng, blob)
    elif how == "twice":
        blob += blob[rng.randrange(len(blob)) :]
    return f"{kind} {how}", blob


def _zip(rng: random.Random, images: list[bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as file:
        for number, image in enumerate(images):
            name = rng.choice(NAMES) if rng.random() < 0.3 else f"IM{number}"
            info = zipfile.ZipInfo(name.encode("utf-8", "replace").decode() or "x")
            info.external_attr = rng.choice((0, 0, 0, 0o120777 << 16, 0o020666 << 16, 0o040755 << 16))
            file.writestr(info, image[: rng.choice((0, 500, len(image), len(image)))])
    return out.getvalue()


def _other_directory(rng: random.Random, blob: bytes) -> bytes:
    """Another number in a member's entry of the central directory, or at its end (APPNOTE 4.3.12, 4.3.16)."""
    mark, fields = rng.choice(
        ((b"PK\x01\x02", (6, 8, 10, 20, 24, 28, 30, 32, 42)), (b"PK\x05\x06", (8, 10, 12, 16, 20)))
    )
    places = [at for at in range(len(blob) - 4) if blob.startswith(mark, at)] if len(blob) < 1 << 20 else []
    if not places:
        return flipped(rng, blob[-200:], 3) if len(blob) < 400 else blob[:-200] + flipped(rng, blob[-200:], 3)
    changed = bytearray(blob)
    at = rng.choice(places) + rng.choice(fields)
    value = struct.pack("<H", rng.choice((0, 1, 8, 12, 14, 0x7FFF, 0xFFFF, rng.randrange(1 << 16))))
    changed[at : at + 2] = value
    return bytes(changed)


def _tar(rng: random.Random, images: list[bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=rng.choice(MODES), format=rng.choice((0, 1, 2))) as tar:  # type: ignore[call-overload]
        for number, image in enumerate(images):
            odd = rng.random() < 0.4
            info = tarfile.TarInfo((rng.choice(NAMES) if odd else f"IM{number}").replace("\0", "_") or "x")
            content = image[: rng.choice((0, 500, len(image), len(image)))]
            info.size = len(content)
            if rng.random() < 0.4:
                info.type = rng.choice(TAR_KINDS)
                info.linkname = rng.choice(("", "/etc/passwd", "IM0", "../IM0"))
            if rng.random() < 0.2:
                info.size = rng.choice((0, 1, len(content) + 512, 1 << 33, 1 << 40))
            if rng.random() < 0.2:
                info.pax_headers = rng.choice(PAX)
            try:
                head = info.tobuf(tar.format, "utf-8", "surrogateescape")
            except (ValueError, UnicodeError):  # a name that this format does not hold
                continue
            tar.fileobj.write(head + content + bytes(-len(content) % 512))
            tar.offset += len(head) + len(content) + -len(content) % 512
    return out.getvalue()
