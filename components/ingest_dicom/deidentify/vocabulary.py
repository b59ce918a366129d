"""Descriptions reduced to words of radiology: whatever is not on the list may be a name."""

from __future__ import annotations

import re
from itertools import pairwise

from components.ingest_dicom.contrast_words import contrast_words
from components.ingest_dicom.image_class import image_class

LIST = """
CT PET PETCT PET-CT PET/CT CTA CCT NCCT NECT CECT CTPA BODY WB WHOLEBODY WHOLE-BODY SPINE LSPINE L-SPINE SPINAL
LUMBAR LUMBALE LUMBO LUMBOSACRAL SACRUM SACRAL THORACIC CERVICAL LWS BWS HWS VERTEBRA VERTEBRAE VERTEBRAL BODIES
RACHIS LENDENWIRBELSÄULE WIRBELSÄULE LS TL DISC HIP FEMUR RIB RIBS SKULL HEAD NECK CHEST THORAX TORSO ABDOMEN
ABDOMINAL ABD ABDO AB PELVIS PELVIC PEL PELV BECKEN CAP CH/ABD/PEL CHEST/ABD/PEL CHEST/ABD/PELVIS ABD/PEL
ABD/PELVIS ABDOMEN/PELVIS CHEST/ABDOMEN C/A/P A/P LIVER KIDNEY KIDNEYS RENAL STONE URINARY BLADDER PANCREAS
SPLEEN COLON COLONOGRAPHY ADRENAL AORTA LUNG LUNGS MEDIASTINUM BONE BONES SOFT TISSUE SKIN MUSCLE ROUTINE
STANDARD STD STND ADULT LOW DOSE LOWDOSE LOW-DOSE THIN THINS THICK AXIAL AXIALS AX COR CORONAL CORONALS SAG
SAGITTAL SAGITTALS TRA TRANSVERSE HELICAL SPIRAL SUPINE PRONE SCOUT SCOUTS TOPOGRAM TOPO LOCALIZER SCANOGRAM
SURVIEW MPR MIP MINIP CPR VRT REFORMAT REFORMATTED RECON RECONS RECONSTRUCTION SERIES STUDY PROTOCOL IMAGES
DERIVED AVERAGE AVG KERNEL WINDOW SHARP SMOOTH DETAIL BONEPLUS FBP ASIR IDOSE SAFIRE ADMIRE AIDR IMR CONTRAST
CONT CON CE C C+ C- +C -C W WO W/ W/O W/WO W/O+W WO+W WO/W W&WO W&W/O WWO WITH WITHOUT AND OR NO NON NOT NONE IV
I.V. I.V ORAL PO MIT OHNE KM AVEC SANS CONTRASTE SENZA CONTRASTO SIN SEM MET ZONDER W/CONTRAST W/CONT W/IV
WITH/WITHOUT NON-CONTRAST NONCONTRAST NON-CON NONCON UNENHANCED ENHANCED POST PRE PRE-CONTRAST PRECONTRAST
POST-CONTRAST POSTCONTRAST NATIV NATIVE NATIF APPLIED AGENT BOLUS PERFUSION PHASE & + - / = OMNIPAQUE ISOVUE
VISIPAQUE ULTRAVIST OPTIRAY IOMERON IOPAMIRO IOPAMIDOL IOHEXOL XENETIX OXILAN IMERON IODIXANOL VENOUS VEN VENÖS
VENEUS ARTERIAL ART ARTERIELL PORTAL PORTOVENOUS PV PVP NEPHROGRAPHIC NEPHRO PARENCHYMAL ANGIO ANGIOGRAPHY
UROGRAM UROGRAPHY IVP DELAY DELAYS DELAYED LATE EARLY VNC VUE TNC VIRTUAL VIRTUALLY VIRT NAT MONO MONO+ MONOE
MONOENERGETIC MONO-E VMI KEV DUAL ENERGY SPECTRAL IODINE CALCIUM SUPPRESSION SEGMENT SEGMENTS SEGMENTATION
STRUCTURES CONTENT ROI LEVEL LEVELS LABEL LABELS MASK MANUAL AUTOMATIC ANATOMICAL STRUCTURE FIRST SECOND THIRD
FOURTH FIFTH EXTERNAL TIN FILTER FILTERED PHOTON COUNTING PHOTON-COUNTING PCCT PHANTOM PHANTOMS MAP MAPS DENSITY
VENOS VENOES VENOSA VENOSO VEINEUX VEINEUSE VENEUZE PORTALVENOS TETNICZA ZYLNA OPOZNIONA TARDIF TARDIVE TARDIVO
TARDIA SPATPHASE EXCRETORY EQUILIBRIUM BIPHASIC TRIPHASIC MULTIPHASE BIPHASE TRIPHASE DYNAMIC UROTHELIAL CTU
INJECTION INJECTE INFUSION APRES AVANT DOPO DYE WC WWO MDC KONTRAST KONTRASTMITTEL KONTRASTEM КОНТРАСТ КОНТРАСТА
КОНТРАСТОМ АРТЕРИАЛЬНАЯ ВЕНОЗНАЯ НАТИВНОЕ
造影 増強 增强 增強 조영 非造影 単純 平扫 平掃 비조영
静脈期 静脉期 動脈期 動脈相 动脉期 门脉期 門脈 동맥기 문맥기 정맥기
"""
WORDS = frozenset(LIST.split())
# a level (L1, T12, L1-L4, L1-4), an energy and a thickness with their units: nothing that a date could hide in
PATTERNS = re.compile(
    r"[CTLS]\d{1,2}(?:-[CTLS]?\d{1,2})?|(?:SN)?\d{2,3}(?:KEV|KV|KVP)|\d(?:[.,]\d{1,2})?MM", re.ASCII
)
SEPARATORS = re.compile(r"[\s_^\\,;:()\[\]<>*|]+")
FINDINGS = {
    "virtual_non_contrast": "VNC", "monoenergetic": "MONOE", "tin_filtered": "TIN", "photon_counting": "PCCT",
    "phantom": "PHANTOM", "derived": "IODINE MAP",
}  # fmt: skip


def clean_descriptor(text: str) -> str:
    """The words of `text` that are on the list, as they were written; what they say of contrast stays the same.

    A text of listed words alone is returned as it is ("vertebrae_L1"). Whether a description declares contrast, a
    virtual non-contrast, monoenergetic or other special image is decided on the original and carried over by one word
    if the words that said it went.
    """
    parts = [part for part in SEPARATORS.split(text) if part]
    kept = [part for part in parts if part.upper() in WORDS or PATTERNS.fullmatch(part.upper())]
    if len(kept) == len(parts):
        return text.strip()
    # words that were apart must not become a phrase ("NON <name> CONTRAST")
    cleaned = " ".join(kept)
    if bool(contrast_words(cleaned)) != bool(contrast_words(text)):
        cleaned = "CONTRAST" if contrast_words(text) else _without_contrast(kept)
    kind = image_class((), text.upper())[0]
    if image_class((), cleaned.upper())[0] != kind:
        cleaned = f"{cleaned} {FINDINGS[kind]}".strip() if kind in FINDINGS else ""
    return cleaned


def _without_contrast(words: list[str]) -> str:
    """The longest beginning that still declares no contrast."""
    beginnings = ["", *(" ".join(words[: end + 1]) for end in range(len(words)))]
    return next((a for a, b in pairwise(beginnings) if contrast_words(b)), beginnings[-1])
