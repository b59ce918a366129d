"""The frames of a multi-frame CT object, each as the data set of a single-frame CT image.

Enhanced CT keeps what changes from slice to slice in functional groups (DICOM PS3.3 A.38, C.7.6.16 and
C.8.15.3); a legacy-converted object keeps the rest of its old headers in the two Unassigned Converted
Attributes groups. Flattened, a frame is read by the code that reads a single-frame image.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, TypeAlias

import pydicom
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from components.ingest_dicom.elements import ESCAPE, VALUE_ERRORS, items, number, text, texts
from components.ingest_dicom.guarded_file import open_guarded
from models.refusal import Code, refuse

# Frame Type and the frame's time stand for ImageType and AcquisitionDate of a single-frame image.
FRAME_TYPE_VALUES = 4  # what the standard defines; makers add their own behind
GROUPS = Tag("SharedFunctionalGroupsSequence"), Tag("PerFrameFunctionalGroupsSequence")
Element: TypeAlias = Any  # pydicom's DataElement, or RawDataElement where nothing was converted yet
IN_FRAMES = (Tag("FrameType"), Tag("FrameAcquisitionDateTime"), Tag("TemporalPositionIndex"),
             Tag("ContrastBolusAgentAdministered"), Tag("VolumeBasedCalculationTechnique"))  # fmt: skip
CONTRAST = (
    "ContrastBolusAgent",
    "ContrastBolusAgentSequence",
    "ContrastBolusVolume",
    "ContrastBolusIngredient",
)


def frame_datasets(path: Path, wanted: Collection[BaseTag]) -> list[Dataset]:
    """The `wanted` attributes of every frame, in frame order, as a single-frame CT image would hold them.

    An attribute is taken from the frame's own functional groups, else from the shared ones, else from the top
    of the object. Where the items of one group contradict each other (two tubes), it is missing.

    Raises
    ------
    RefusedError
        ENHANCED_MULTIFRAME where the frames are no single stack: no functional groups or not one set per
        frame, several temporal positions, frames of several types.
    """
    with open_guarded(path) as file:
        dataset = pydicom.dcmread(file, stop_before_pixels=True)
    groups = items(dataset, GROUPS[1])
    declared = number(dataset, "NumberOfFrames")
    if not groups:
        raise refuse(Code.ENHANCED_MULTIFRAME, "found no per-frame functional groups in a multi-frame object")
    if declared != len(groups):
        raise refuse(
            Code.ENHANCED_MULTIFRAME,
            f"found functional groups of {len(groups)} frames, declared {declared:g}",
        )
    tags = frozenset(wanted) | frozenset(IN_FRAMES)
    top = {tag: element for tag in tags if (element := _element(dataset, tag)) is not None}
    shared = top | _grouped(items(dataset, GROUPS[0])[:1], tags)
    frames = [_frame(dataset, shared | _grouped([group], tags)) for group in groups]
    _refuse_what_is_no_stack(frames)
    return frames


def _frame(dataset: Dataset, elements: dict[BaseTag, Element]) -> Dataset:
    frame = Dataset()
    frame.file_meta = dataset.file_meta
    for tag, element in elements.items():
        frame[tag] = element
    if kind := texts(frame, "FrameType"):
        # how a volume was calculated (MAX_IP, MPR, ...) is a value of ImageType in a single-frame image
        frame.ImageType = [*kind, *texts(frame, "VolumeBasedCalculationTechnique")]
    if time := text(frame, "FrameAcquisitionDateTime"):
        frame.AcquisitionDate = time[:8]
    if text(frame, "ContrastBolusAgentAdministered").upper() == "NO":  # not yet: a phase before it
        for keyword in CONTRAST:
            frame.pop(Tag(keyword), None)
    return frame


def _refuse_what_is_no_stack(frames: list[Dataset]) -> None:
    kinds = {texts(frame, "ImageType")[:FRAME_TYPE_VALUES] for frame in frames}
    if len(kinds) > 1:
        raise refuse(
            Code.ENHANCED_MULTIFRAME, f"found frames of {len(kinds)} types (FrameType) in one object"
        )
    times = {number(frame, "TemporalPositionIndex") for frame in frames if "TemporalPositionIndex" in frame}
    if len(times) > 1:
        raise refuse(Code.ENHANCED_MULTIFRAME, f"found {len(times)} temporal positions in one object")


def _grouped(groups: Iterable[Dataset], tags: Collection[BaseTag]) -> dict[BaseTag, Element]:
    """The attributes inside the macros of functional groups; those that items contradict about as empty."""
    found: dict[BaseTag, Element] = {}
    for group in groups:
        for macro in group.keys():  # noqa: SIM118 (a Dataset iterates over elements)
            if macro in tags and (element := _element(group, macro)) is not None:
                found[macro] = element
            inside = items(group, macro)
            for tag in {tag for item in inside for tag in item.keys()} & set(tags):  # noqa: SIM118
                values = [element for item in inside if (element := _element(item, tag)) is not None]
                if values:
                    same = all(_value(value) == _value(values[0]) for value in values)
                    found[tag] = values[0] if same else DataElement(tag, values[0].VR or "UN", None)
    return found


def _element(dataset: Dataset, tag: BaseTag) -> Element | None:
    """As it stands in the file where it is plain ASCII, else converted (character sets); None when it cannot be."""
    element = dataset.get_item(tag)
    if element is None or not isinstance(element, RawDataElement):
        return element
    value = element.value
    if value is None or (isinstance(value, bytes) and value.isascii() and ESCAPE not in value):
        return element
    try:
        return dataset[tag]
    except VALUE_ERRORS:
        return None


def _value(element: Element) -> object:
    return element.value.strip(b" \0") if isinstance(element.value, bytes) else element.value
