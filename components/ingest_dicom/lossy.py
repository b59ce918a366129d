"""Was an image ever compressed with loss? The tag says so even after a router has decompressed the image."""

from __future__ import annotations

# JPEG baseline and extended
ALWAYS_LOSSY = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
# These carry streams with and without loss (DICOM PS3.5 8.2.3, 8.2.4 and 8.2.14); only the tag can tell:
# JPEG-LS near lossless, JPEG 2000, HTJ2K.
MAY_BE_LOSSY = ("1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.203")


def is_lossy(transfer_syntax_uid: str, declared: str) -> bool:
    """Whether loss is declared, or neither declared nor denied under a transfer syntax that allows it.

    Parameters
    ----------
    declared
        LossyImageCompression (0028,2110; DICOM PS3.3 C.7.6.1.1.5): "00" without, "01" with loss.
    """
    if declared == "01" or transfer_syntax_uid in ALWAYS_LOSSY:
        return True
    return transfer_syntax_uid in MAY_BE_LOSSY and declared != "00"
