"""The images that levels are wanted for, and whether a DICOM object was drawn in their coordinates."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from models.refusal import Code, refuse


@dataclass(frozen=True)
class WantedSeries:
    """Identity of a CT series, as far as it is known.

    Attributes
    ----------
    series_instance_uid
        "" when the source declares none (NIfTI).
    frames_of_reference
        FrameOfReferenceUIDs of its slices; empty when it declares none.
    """

    series_instance_uid: str = ""
    frames_of_reference: frozenset[str] = frozenset()

    def require_frame(self, frame_uid: str, drawn_on: Collection[str], *, source: str) -> None:
        """Refuse what was drawn in other coordinates.

        Coordinates mean the same only within one frame of reference (PS3.3 C.7.4.1). Another series of that frame
        will do: radiologists segment the thin reconstruction. Where the images declare no frame, nothing can be
        compared.

        Parameters
        ----------
        frame_uid
            FrameOfReferenceUID of the object, or "".
        drawn_on
            SeriesInstanceUIDs that it refers to.

        Raises
        ------
        RefusedError
            LEVELS_OTHER_FRAME.
        """
        if not self.frames_of_reference:
            return
        if frame_uid:
            if frame_uid not in self.frames_of_reference:
                raise refuse(
                    Code.LEVELS_OTHER_FRAME, f"{source}: its FrameOfReferenceUID is not that of the series"
                )
        elif self.series_instance_uid not in drawn_on:
            raise refuse(
                Code.LEVELS_OTHER_FRAME,
                f"{source}: declares no FrameOfReferenceUID and does not refer to the series",
            )
