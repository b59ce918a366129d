"""Words in descriptions that say contrast was given, and those that say it was not."""

from __future__ import annotations

import re

# Words that deny contrast are taken out first, so that what they hold ("contrast") is not counted after.
DENIALS = re.compile(
    r"""
    \b(?:WITH\s?OUT|W\s?/\s?O|WO|NO|NON|NOT|SANS|OHNE|SENZA|SIN|SEM|ZONDER)\b [\s\-_./]* (?:I\.?V\.?|ORAL)? [\s\-_./]*
        (?:CONTR?\w*|CON\b|CE\b|KM\b|MDC\b|INJ\w*|C\b(?!\+)|ENHANC\w*|CONTRASTE|CONTRASTO)
    | \bNON[\s\-_]*CON(?:TRAST)?\w*\b | \bNONCONTRAST\w* | \bUNENH(?:ANCED)?\b | \bPRE[\s\-_]*CONTRAST\w*
    | \bNATIVE?\b | \bNATIV\w*\b | \bC\.?E\s?-(?=\s|$|/) | \bNCCT\b | \bNECT\b | \bC\s?-(?=\s|$|/) | \(-\)\s*C\b
    | \bW\s?/\s?O\b | \bWITHOUT\b | \bWO\b
    | 非造影 | 単純 | 平扫 | 平掃 | 비조영
    | \bENHANCED[\s\-_]+(?:CONVERSION|MULTI[\s\-]?FRAME)\b  # the kind of DICOM object
    """,
    re.VERBOSE,
)
# one study with and without: some of its series are enhanced, and the words do not say which
BOTH = re.compile(
    r"\bW\s+W\s?/?\s?O\b|\bW(?:ITH)?\s*(?:&|AND|\+)\s*W(?:ITH)?\s?/?\s?O(?:UT)?\b|\bW(?:ITH)?\s?/?\s?O(?:UT)?\s*(?:&|AND|\+|/)\s*W(?:ITH)?\b"
)
AFFIRMATIONS = re.compile(
    r"""
    \b(?:WITH|W|W/|MIT|AVEC|CON|MET|POST|IV|I\.V\.|\+)[\s\-_./&]*(?:I\.?V\.?[\s\-_./]*)?(?:CONTR?\w{0,5}\b|CON\b|KM\b|CE\b|C\b(?![+\-]))
    | \bW/\s?(?:IV|CON\w*|C\b)
    | \bW\b(?=\s*(?:$|[&+])) | \bCE\b(?!\s?-) | \bPVP\b
    | \bCONTRAST\w* | \bC\s?\+ | \+\s?C\b | \bCE[\s\-_]?CT\b | \bCECT\b | \bENHANCED\b | \bKM\b
    | \bOMNIPAQUE\w* | \bISOVUE\w* | \bVISIPAQUE\w* | \bULTRAVIST\w* | \bOPTIRAY\w* | \bIOMERON\w*
    | \bIOPAMI\w* | \bIOHEXOL\w* | \bXENETIX\w* | \bOXILAN\w* | \bIMERON\w* | \bIODIXANOL\w*
    | \bIOPROMID\w* | \bIOMEPROL\w* | \bIOVERSOL\w* | \bIOBITRIDOL\w*
    | \bVENOUS\w* | \bVEN\b | \bVENEUS\w* | \bVENÖS\w* | \bARTERIA\w* | \bARTERIEL\w* | \bART\b
    | \bPORTAL\w* | \bPORTO\w*
    | \bPV\s?PHASE\b | \bNEPHRO\w* | \bPARENCHYMAL\b | \bANGIO\w* | \bCTA\b | \bCTPA\b | \bUROGRA\w* | \bIVP\b
    | 造影 | 増強 | 增强 | 增強 | 조영
    | \bDELAY(?:ED|S)?\b | \bBOLUS\b | \bPERFUSION\b
    """,
    re.VERBOSE,
)


def contrast_words(*descriptions: str) -> str:
    """The first word in any description that says contrast was given, in upper case; "" for none.

    "WITHOUT CONTRAST", "W/O", "NON-CONTRAST", "C-" and the like deny it and are not matched, but a text
    that says both ("W/O AND W CONTRAST") still matches.
    """
    for description in descriptions:
        text = " ".join(description.upper().replace("_", " ").split())
        if both := BOTH.search(text):
            return both.group()
        remaining = DENIALS.sub(" | ", text)
        match = AFFIRMATIONS.search(remaining)
        if match:
            return " ".join(match.group().split())
    return ""
