"""Names that scanners give to their maker and kernel, brought to one form."""

from __future__ import annotations

import re

# First match wins. Canon took over Toshiba's scanners in 2018; Philips' older ones were Picker and Marconi,
# which were other machines and stay under their own names.
VENDORS = (
    ("GE", re.compile(r"^GE\b|^G\.E\.|GENERAL ELECTRIC|GE ?HEALTHCARE|GE ?MEDICAL")),
    ("Siemens", re.compile(r"SIEMENS")),
    ("Philips", re.compile(r"PHILIPS")),
    ("Canon", re.compile(r"CANON|TOSHIBA|TMSC")),
)

# What a sharp kernel is called: GE, then Siemens (number 50 and above is sharp), Philips, Canon (Toshiba).
GE_SHARP = {"BONE", "BONEPLUS", "EDGE", "LUNG", "ULTRA", "DETAIL", "HD BONE", "HD BONEPLUS"}
GE_SOFT = {"SOFT", "STANDARD", "STD", "STD+", "CHST", "HD STND", "EXPERIMENTAL7", "STND"}
PHILIPS_SHARP = {"D", "E", "L", "YA", "YB", "YC", "YD", "YE", "F"}
PHILIPS_SOFT = {"A", "B", "C", "UA", "UB", "UC", "SA", "SB", "SC", "EC", "IB", "XCA"}
SIEMENS_NUMBER = re.compile(r"^[A-Z][A-Z]?(\d{2})")
CANON_NUMBER = re.compile(r"^FC(\d{2})")


# Sharp kernels that are made for the lung rather than for bone, by the same makers' names.
LUNG = {
    "GE": re.compile(r"LUNG$"),
    "Siemens": re.compile(r"BL\d\d|B[89]\d"),
    "Philips": re.compile(r"(?:L|YA|YB)$"),
    "Canon": re.compile(r"FC(?:5\d|8[3-6])"),
}


def vendor_name(manufacturer: str) -> str:
    """ "GE", "Siemens", "Philips" or "Canon"; another name in upper case; "" when missing."""
    name = " ".join(manufacturer.upper().split())
    for vendor, pattern in VENDORS:
        if pattern.search(name):
            return vendor
    return name


def _first_value(kernel: str) -> str:
    """The first of several values of ConvolutionKernel that is not empty, in upper case."""
    return next((name for value in kernel.split("\\") if (name := value.strip().upper())), "")


def kernel_class(vendor: str, kernel: str) -> str:
    """ "soft", "sharp" or "unknown" from the first value of ConvolutionKernel and the vendor's own scale.

    Siemens kernels carry their sharpness as a number (B30s, Br38f, Qr40d; 50 and above is sharp);
    Toshiba and Canon group theirs (FC01-FC28 body and head soft, FC30-FC39 and FC50-FC59 and FC80-FC86
    bone and lung).
    """
    name = _first_value(kernel)
    if vendor == "GE":
        return _of_sets(name, GE_SOFT, GE_SHARP)
    if vendor == "Philips":
        return _of_sets(name, PHILIPS_SOFT, PHILIPS_SHARP)
    if vendor == "Siemens" and (match := SIEMENS_NUMBER.match(name)):
        return "sharp" if int(match[1]) >= 50 else "soft"
    if vendor == "Canon" and (match := CANON_NUMBER.match(name)):
        number = int(match[1])
        return "sharp" if 30 <= number <= 39 or 50 <= number <= 59 or 80 <= number <= 86 else "soft"
    return "unknown"


def kernel_use(kind: str, vendor: str, kernel: str) -> str:
    """What a kernel is for: "soft", "bone", "lung" or "unknown".

    Parameters
    ----------
    kind
        Its `kernel_class`; a sharp one is for bone unless the vendor makes it for the lung.
    """
    if kind != "sharp":
        return kind or "unknown"
    name = _first_value(kernel)
    return "lung" if vendor in LUNG and LUNG[vendor].match(name) else "bone"


def _of_sets(name: str, soft: set[str], sharp: set[str]) -> str:
    if name in soft:
        return "soft"
    return "sharp" if name in sharp else "unknown"
