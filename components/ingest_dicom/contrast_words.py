"""Words in descriptions that say contrast was given, and those that say it was not, as radiographers write them.

English, German, French, Italian, Spanish, Portuguese, Dutch, the Nordic and some Slavic languages, Chinese, Japanese
and Korean. Accents are taken off first (VENÖS is VENOS).
"""

from __future__ import annotations

import re
from unicodedata import normalize

_COMBINING = re.compile("[\u0300-\u036f]")  # Latin and Cyrillic accents; not the marks of Japanese

_WITH = r"(?:WITH|W|MIT|AVEC|CON|COM|MET|MED)"
_WITHOUT = r"(?:WITH\s?OUT|W\s?/\s?O|WO|SANS|OHNE|SENZA|SIN|SEM|ZONDER|UDEN|UTEN|UTAN|BEZ|БЕЗ)"
_BEFORE = r"(?:PRE|BEFORE|PRIOR\s+TO|AVANT|VOR|PRIMA|ANTES|VOOR)"
_AFTER = r"(?:POST|AFTER|NACH|APRES|DOPO|TRAS|DESPUES|NA)"
_AND = r"\s*(?:[&+/\-]|\b(?:AND|UND|ET|E|Y|EN|OG|OCH)\b)\s*"
# what was given, or not: whole words and their beginnings; "W CONE" and "W/ CONVERSION" are none
_AGENT = (
    r"(?:CONT\b|CONTR\w{0,12}|CON\b|KONTR\w*|КОНТРАСТ\w*|I\.?V\.?\b(?!\s*C\b)|KM\b|MDC\b|PDC\b|CE\b|C\b(?![+\-]|\s*SP)|"
    r"INJ\b|INJ[EK]\w*|INFUS\w*|ENHANC\w*|DYE\b|IOD\w*)"
)
_FILLING = (
    r"(?:I\.?V\.?|INTRAVENOUS|INTRAVEN\w+|ORAL|PO|RECTAL|ANY|PRODUIT|MEDIO|MEZZO|DE|DEL|DI|OR|ODER|OU|O|/)"
)
_NONE_AFTER = (
    r"(?:NONE|NO|NOT|NEIN|NEE|NIL|KEIN\w*|AUCUN\w*|NESSUN\w*|NINGUN\w*)\b(?!\.)|[:=]\s*(?:0|NON|N/?A|-)(?!\w)"
)

# Words that deny contrast are taken out first, so that what they hold ("contrast") is not counted after.
DENIALS = re.compile(
    rf"""
    # WITHOUT ORAL AND IV CONTRAST; of "NO ORAL AND IV CONTRAST" nobody can say what NO belongs to
      (?<!\w){_WITHOUT}\b [\s\-./]* (?:(?:{_FILLING}|AND|UND|ET|Y)(?:[\s\-.]+|/)){{0,5}} {_AGENT}
    | \b(?:NO|NON|NOT|KEIN\w*|AUCUN\w*|NESSUN\w*|NINGUN\w*)\b [\s\-./]* (?:{_FILLING}[\s\-./]+){{0,4}} {_AGENT}
    | (?<!\w)O\.?\s?KM\b | \bSMDC\b | \bNON\s?CON(?:TRAST)?\w*\b | \bUNENH\w*\b | \bNONENH\w*
    | \b{_BEFORE}[\s\-./]*(?:{_FILLING}[\s\-./]+){{0,4}}{_AGENT} | \bPRECON(?:TRAST)?\b
    | \b(?:CONTRAST\w*|KONTRAST\w*|KM|MDC|I\.?V\.?)\s*[:=\-]?\s*(?:{_NONE_AFTER})
    | \bNATI[VF]\w*\b | НАТИВН\w* | \bC\.?E\s?-(?=\s|$|/) | \bNCCT\b | \bNECT\b | \bC\s?-(?=\s|$|/)
    | \(-\)\s*C\b
    | (?<!\w){_WITHOUT}(?!\w)
    | 非造影 | 非增[强強] | 未增[强強] | 造影剤?(?:なし|無し|無|前) | 単純 | 平扫 | 平掃 | 비조영 | 조영\s?전
    # not about blood: the kind of DICOM object, edges of the picture, test objects
    | \bENHANCED[\s\-]+(?:CONVERSION|MULTI[\s\-]?FRAME|BONE|EDGE|DETAIL|RESOLUTION)\b
    | \b(?:EDGE|BONE|DETAIL|RESOLUTION|SHARP\w*)[\s\-]+ENHANC\w*
    | \bCONTRAST[\s\-]+(?:DETECTAB\w*|RESOLUTION|SCALE)\b
    """,
    re.VERBOSE,
)
# one study with and without: some of its series are enhanced, and the words do not say which
BOTH = re.compile(
    rf"(?<!\w)(?:{_WITH}/?(?:{_AND}){_WITHOUT}|{_WITHOUT}(?:{_AND}){_WITH}|W\s+W\s?/?\s?O|WO\s+W|WWO|WITH\s+AND\s+WI?)(?!\w)"
    rf"|\bPRE{_AND}POST\b|\bPOST{_AND}PRE\b"
)
AFFIRMATIONS = re.compile(
    rf"""
    # with or after something that was given
      (?<!\w)(?:{_WITH}\b|{_AFTER}\b|\+)[\s\-./&]*(?:(?:ORAL|AND)\b[\s\-./&]*){{0,3}}(?:I\.?V\.?[\s\-./]*)?{_AGENT}
    | \bI\.?V\.?[\s\-./]+(?:CONT\b|CONTR\w*|CON\b|KM\b|CE\b|C\b(?![+\-])) | \bWIVC\w* | \bWC\b
    | \b(?:W|WITH)\b(?=\s*(?:$|[&+)]|ONLY\b)) | \bWITH\b(?=\s*\d) | \bI\.?V\.?\s+(?:ORAL|PO|ONLY)\b
    | \b(?:ORAL|PO)\s*(?:&|\+|/|AND\b)\s*I\.?V\b | \bCON(?=\s*$)
    | \bPOST\b(?=[\s/]*(?:$|\d|C\.?A\.?P\b|CHEST|ABD|PEL|COR|SAG|AX))
    | \bCE\b(?!\s?-) | \b\w?CONTRAST\w* | \w*KONTRAST\w* | КОНТРАСТ\w* | \bC\s?\+ | \+\s?C\b(?!\s*SP)
    | \bCE[\s\-]?CT\b | \bCECT\b
    | \bENHANCED\b | \bENH(?:AN?C?)?\b | \bKM\b | \bMDC\b | \bINJECTE\w*
    # what was given
    | \bOMNIPAQUE\w* | \bOMNI\s?\d{{3}} | \bISOVUE\w* | \bVISIPAQUE\w* | \bULTRAVIST\w* | \bOPTIRAY\w*
    | \bACCUPAQUE\w*
    | \bSOLUTRAST\w* | \bNIOPAM\w* | \bXENETIX\w* | \bOXILAN\w* | \bIO?MERON\w* | \bCONRAY\w* | \bTELEBRIX\w*
    | \b[IJ]OPAMI\w* | \b[IJ]OHEXOL\w* | \b[IJ]ODIXANOL\w* | \b[IJ]OPROMID\w* | \b[IJ]OMEPROL\w*
    | \b[IJ]OVERSOL\w*
    | \bIOBITRIDOL\w* | \bNON[\s\-]?IONIC\b
    # when after it
    | \b\w*VENO(?:U|E?S|Z)\w* | \bVE(?:I?N)EU\w* | \bVEN\b | ВЕНОЗН\w* | \b\w*ARTERI[AE]\w*
    | \b(?:LATE|EARLY)?ART\b | АРТЕРИАЛЬН\w*
    | \bTETNIC\w* | \bZYLN\w* | \bOPOZNION\w* | \bPORTAL\w* | \bPORTO(?=VE|MES|[\s\-]+(?:VE|PHAS|FAS))\w*
    | \b(?:PHASE|TEMPS)\s+PORTE\b
    | \bPVP?\b | \bNEPH\s+PHASE\b
    | \bNE(?:PH|F)RO(?:GRA\w*|GEN\w*|\b(?!\s*STONE)) | \bPARENCHYMAL\b | \bEXCRET\w* | \bPYELOGRA\w*
    | \bEQUILIBR\w*
    | \bUROGRA\w* | \bUROTHEL\w* | \bCTU\b | \bIVP\b
    | \bANGIO(?!MYO|SARC|MA|DYS|LIP|[EO]?EDEMA)\w* | \bCTA\b | \bCTPA\b
    | \bDELAY(?:ED|S)?\b | \bTARDI[VFAO]\w* | \bSPAE?T(?:E|PHASE)?\b | \bLATE\s+PHASE\b
    | \b(?:BI|TRI|QUADRI|DUAL|TWO|THREE|[234])[\s\-]?PHAS\w* | (?:MULTI|TRIPLE)[\s\-]?PHAS\w*
    | \bDYN(?:AMIC)?\s+(?:CT|LIVER|STUDY|PHAS\w*|ABD\w*)
    | \bBOLUS\b | \bPERFUSION\b
    | 造影 | 增[强強] | 増強 | 强化 | 조영 | 门脉 | 门静脉 | 門脈 | [动動]脉期 | 動脈[相期] | 静[脉脈][相期]
    | 延迟期 | 遅延相 | 平衡[相期]
    | 동맥기 | 문맥기 | 정맥기 | 평형기 | 지연기
    """,
    re.VERBOSE,
)
# What scanners write into ContrastBolusAgent when none was given, beside what a description would say.
_NO_AGENT = re.compile(
    r"(?:NONE|NO|N|NIL|N/?A|0|NOT (?:APPLIED|GIVEN|USED|ADMINISTERED)|KEIN\w*|AUCUN\w*|NESSUN\w*|NINGUN\w*)"
)


def contrast_words(*descriptions: str) -> str:
    """The first word in any description that says contrast was given, in upper case without accents; "" for none.

    "WITHOUT CONTRAST", "W/O", "NON-CONTRAST", "C-", "CONTRAST: NONE" and the like deny it and are not matched, but
    a text that says both ("W/O AND W CONTRAST", "W/WO") still matches.
    """
    for description in descriptions:
        text = _plain(description)
        if both := BOTH.search(text):
            return both.group()
        match = AFFIRMATIONS.search(DENIALS.sub(" | ", text))
        if match:
            return " ".join(match.group().split())
    return ""


def names_an_agent(text: str) -> bool:
    """Whether ContrastBolusAgent (0018,0010) says an agent was given: some scanners fill it with a denial."""
    plain = _plain(text)
    if _NO_AGENT.fullmatch(plain):
        return False
    return re.search(r"\w", DENIALS.sub(" ", plain)) is not None


def _plain(text: str) -> str:
    """Upper case, without accents, full-width letters as ordinary ones, one blank between words."""
    bare = _COMBINING.sub("", normalize("NFKD", text.upper()))
    return " ".join(normalize("NFC", bare).replace("_", " ").split())
