"""Vertebrae in the languages of hospitals, brought to one spelling: LUMBAR 1, THORACIC 12."""

from __future__ import annotations

import re
import unicodedata

# beginnings of words after accents are taken off; numbers and names follow or stand before
LUMBAR = r"LUMB(?:AR|AL|ALE|ALES|ALIS|ARES|AIRE)|LOMB(?:AIRE|AIRES|ARE|ARI|AR|ARES)|LENDENWIRBEL\w*|LWK|ПОЯСНИЧН\w*"
THORACIC = r"THORAC(?:IC|ICA|ICAE|IQUE|AL)|TORAC(?:ICA|ICHE)|DORSALE?|BRUSTWIRBEL\w*|BWK|ГРУДН\w*"
ORDINALS = (
    r"FIRST|PREMIERE|PRIMERA|PRIMEIRA|PRIMA|ERSTER?|EERSTE",
    r"SECOND|DEUXIEME|SEGUNDA|SECONDA|SECUNDA|ZWEITER?|TWEEDE",
    r"THIRD|TROISIEME|TERCERA|TERCEIRA|TERZA|TERTIA|DRITTER?|DERDE",
    r"FOURTH|QUATRIEME|CUARTA|QUARTA|VIERTER?|VIERDE",
    r"FIFTH|CINQUIEME|QUINTA|FUNFTER?|VIJFDE",
    r"SIXTH|SIXIEME|SEXTA|SESTA|SECHSTER?|ZESDE",
)
ROMAN = ("I", "II", "III", "IV", "V", "VI")
WIRBEL = r"VERTEBRAE?|VERTEBRAL|VERTEBRES?|VERT|VB|BODY|SPINE|CORPUS|CORPO|CORPS|CUERPO|WERVELS?|WIRBEL\w*|ПОЗВОН\w*"
CHINESE_DIGITS = str.maketrans("一二三四五六", "123456")
NEITHER = re.compile("椎間板|椎间盘|椎間盤|神経|神经|肌|筋|肋")  # disc, nerve, muscle, rib


def one_spelling(text: str) -> str:
    """`text` in capitals without accents, regions and ordinals of other languages as LUMBAR 1 and THORACIC 12.

    >>> one_spelling("2. Lendenwirbel"), one_spelling("troisième vertèbre lombaire"), one_spelling("第四腰椎")
    ('LUMBAR 2', 'LUMBAR 3', 'LUMBAR 4')
    """
    plain = unicodedata.normalize("NFKC", text)
    if NEITHER.search(plain):
        return ""
    plain = re.sub("第", " ", plain)
    plain = re.sub(
        r"[一二三四五六](?=\s*[腰胸])|(?<=腰椎)[一二三四五六]|(?<=[腰胸])[一二三四五六]", _digit, plain
    )
    plain = re.sub("腰椎?", " LUMBAR ", re.sub("胸椎?", " THORACIC ", plain)).replace("椎体", " ")
    plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
    plain = re.sub(r"[_\s]+", " ", plain.upper()).strip()
    plain = re.sub(rf"(?<![^\W\d_])(?:{LUMBAR})(?![^\W\d_])", " LUMBAR ", plain)
    plain = re.sub(rf"(?<![^\W\d_])(?:{THORACIC})(?![^\W\d_])", " THORACIC ", plain)
    if "LUMBAR" in plain or "THORACIC" in plain:
        plain = _numbered_region(plain)
    return re.sub(r"\s+", " ", plain).strip()


def _numbered_region(plain: str) -> str:
    """Ordinal words and Roman numerals beside a region as digits behind it."""
    for number, words in enumerate(ORDINALS, start=1):
        plain = re.sub(rf"(?<![A-Z])(?:{words})(?![A-Z])", str(number), plain)
    for number, roman in enumerate(ROMAN, start=1):  # behind a region only: L V may be the left ventricle
        plain = re.sub(rf"(?<=LUMBAR) +{roman}(?![A-Z0-9])", f" {number}", plain)
    plain = re.sub(r"(?<![A-Z0-9])(\d{1,2})(?:ST|ND|RD|TH|RE|E|EME|A|ª|º|\.|-?И)? +", r"\1 ", plain)
    plain = re.sub(rf"(LUMBAR|THORACIC)(?: +(?:{WIRBEL})(?![A-Z]))+", r"\1", plain)
    plain = re.sub(
        rf"(?<![A-Z0-9/+&-])(\d{{1,2}})(?: +(?:{WIRBEL}))* +(LUMBAR|THORACIC)(?! *\d)", r"\2 \1", plain
    )
    return plain


def _digit(match: re.Match[str]) -> str:
    return match.group().translate(CHINESE_DIGITS)
