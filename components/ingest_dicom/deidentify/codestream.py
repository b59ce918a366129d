"""Comments inside compressed pixel data: JPEG and JPEG 2000 carry free text that no DICOM attribute shows."""

from __future__ import annotations

START_OF_SCAN, START_OF_TILE, END = 0xDA, 0x90, 0xD9
JPEG_START, JPEG_2000_START = b"\xff\xd8", b"\xff\x4f\xff\x51"
# COM and the applications' own segments (Exif, Photoshop); JPEG 2000: COM
JPEG_TEXT = frozenset((0xFE, *range(0xE1, 0xF0)))
JPEG_2000_TEXT = frozenset((0x64,))
ALONE = frozenset((0x01, *range(0xD0, 0xD9)))  # markers without a length


def without_comments(fragment: bytes) -> bytes:
    """One fragment of encapsulated pixel data with blanks in place of its comments; lengths stay.

    The segments before the image's own data are walked (ITU-T T.81 B.1.1.4, T.800 A.2), and what lies behind its end
    is zeroed: what is no codestream, or breaks off, is returned as it is up to there.
    """
    if fragment.startswith(JPEG_2000_START):
        texts, stop = JPEG_2000_TEXT, START_OF_TILE
    elif fragment.startswith(JPEG_START):
        texts, stop = JPEG_TEXT, START_OF_SCAN
    else:
        return fragment
    changed = bytearray(fragment)
    place = 2
    while place + 4 <= len(changed) and changed[place] == 0xFF:
        marker = changed[place + 1]
        if marker in (stop, END):
            _blank_behind_end(changed, place)
            break
        if marker in ALONE or marker == 0xFF:
            place += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(changed[place + 2 : place + 4], "big")
        end = place + 2 + length
        if length < 2 or end > len(changed):
            break
        if marker in texts:
            # JPEG 2000 says first, in two bytes, whether the comment is text (A.9.2)
            start = place + 4 + (2 if texts is JPEG_2000_TEXT else 0)
            changed[start:end] = b" " * max(end - start, 0)
        place = end
    return bytes(changed)


def _blank_behind_end(changed: bytearray, start: int) -> None:
    """Zeros behind the last end-of-image marker, which coded data cannot hold (T.81 B.1.1.5, T.800 A.1)."""
    end = changed.rfind(bytes((0xFF, END)), start)
    if end >= 0:
        changed[end + 2 :] = bytes(len(changed) - end - 2)
