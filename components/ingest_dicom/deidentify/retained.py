"""What a de-identified CT, segmentation or structure set keeps beyond the basic profile, by DICOM keyword.

The options of DICOM PS3.15 E.3 that the use needs, and no more: device identity and acquisition technique, patient
characteristics (sex and age), dates shifted. What PS3.15's table does not name is kept only if it is listed here or
is a plain binary number: a name can stand in any text.
"""

from __future__ import annotations

# Text that says how and on what an image was taken. Values that name the patient are dropped (`identifying.py`).
TECHNIQUE = frozenset(
    (
        # what the object is
        "SpecificCharacterSet", "Modality", "ImageType", "FrameType", "PresentationIntentType", "ConversionType",
        "SeriesNumber", "InstanceNumber", "AcquisitionNumber", "NumberOfFrames", "ImagesInAcquisition",
        "BurnedInAnnotation", "RecognizableVisualFeatures", "ContentQualification", "BodyPartExamined",
        "Laterality", "ImageLaterality", "FrameLaterality", "PatientPosition", "SynchronizationTrigger",
        # device identity
        "Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "StationName", "SoftwareVersions", "GantryID",
        "DetectorID",
        # technique
        "KVP", "ConvolutionKernel", "ConvolutionKernelGroup", "ReconstructionAlgorithm", "FilterType",
        "FilterMaterial", "SliceThickness", "SpacingBetweenSlices", "DataCollectionDiameter",
        "ReconstructionDiameter", "DistanceSourceToDetector", "DistanceSourceToPatient", "GantryDetectorTilt",
        "TableHeight", "RotationDirection", "ExposureTime", "XRayTubeCurrent", "Exposure", "ExposureInuAs",
        "ExposureTimeInuS", "XRayTubeCurrentInuA", "GeneratorPower", "FocalSpots", "ScanOptions", "AcquisitionType",
        "ExposureModulationType", "ReconstructionTargetCenterPatient", "EstimatedDoseSaving", "TubeAngle",
        "MultienergyCTAcquisition", "ScanLength", "AnatomicalOrientationType", "PositionReferenceIndicator",
        "VolumetricProperties", "VolumeBasedCalculationTechnique", "PixelPresentation",
        "CardiacSynchronizationTechnique", "RespiratoryMotionCompensationTechnique", "ContrastBolusVolume",
        "ContrastBolusTotalDose", "ContrastBolusIngredientConcentration", "ContrastFlowRate", "ContrastFlowDuration",
        # geometry
        "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "SliceLocation", "PixelAspectRatio",
        "ImagerPixelSpacing", "StackID",
        # pixels
        "PhotometricInterpretation", "RescaleIntercept", "RescaleSlope", "RescaleType", "WindowCenter", "WindowWidth",
        "VOILUTFunction", "PresentationLUTShape", "LossyImageCompression", "LossyImageCompressionRatio",
        "LossyImageCompressionMethod",
        # segmentations
        "SegmentationType", "SegmentationFractionalType", "SegmentAlgorithmType", "SegmentsOverlap",
        "DimensionOrganizationType", "ReferencedFrameNumber",
        # structure sets
        "ROINumber", "ReferencedROINumber", "ObservationNumber", "ROIGenerationAlgorithm", "RTROIInterpretedType",
        "ROIDisplayColor", "ContourNumber", "ContourGeometricType", "NumberOfContourPoints", "ContourData",
        "ContourSlabThickness", "ContourOffsetVector", "ROIVolume", "ApprovalStatus",
        # codes: which, and of what scheme; what they mean in words is a descriptor
        "CodeValue", "CodingSchemeDesignator", "CodingSchemeVersion",
    )
)  # fmt: skip

# Free text of which only the words of `vocabulary.py` stay, and what stands where none of them does.
DESCRIPTORS = {
    "StudyDescription": "",
    "SeriesDescription": "",
    "ProtocolName": "",
    "SegmentLabel": "SEGMENT",
    "SegmentDescription": "",
    "SegmentAlgorithmName": "NOT KEPT",
    "ROIName": "ROI",
    "StructureSetLabel": "STRUCTURES",
    "ContentLabel": "CONTENT",
    "CodeMeaning": "NOT KEPT",
    "ContrastBolusRoute": "",
}

# Dates that stay, shifted by the patient's whole days; the time of a DT becomes midnight.
DATES = frozenset(
    (
        "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "InstanceCreationDate", "AcquisitionDateTime",
        "StructureSetDate",
    )
)  # fmt: skip

# Sequences that stay, each item cleaned like the object itself; every other is removed.
SEQUENCES = frozenset(
    (
        # codes
        "AnatomicRegionSequence", "SegmentedPropertyCategoryCodeSequence", "SegmentedPropertyTypeCodeSequence",
        "SegmentedPropertyTypeModifierCodeSequence", "AnatomicRegionModifierSequence",
        "SegmentationAlgorithmIdentificationSequence", "AlgorithmFamilyCodeSequence", "DerivationCodeSequence",
        "PurposeOfReferenceCodeSequence", "RTROIIdentificationCodeSequence", "ContrastBolusAgentSequence",
        # what refers to the images
        "ReferencedSeriesSequence", "ReferencedInstanceSequence", "ReferencedImageSequence", "SourceImageSequence",
        "DerivationImageSequence", "StudiesContainingOtherReferencedInstancesSequence",
        "ReferencedFrameOfReferenceSequence", "RTReferencedStudySequence", "RTReferencedSeriesSequence",
        "ContourImageSequence",
        # multi-frame functional groups
        "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "PixelMeasuresSequence",
        "PlanePositionSequence", "PlaneOrientationSequence", "FrameContentSequence", "FrameAnatomySequence",
        "PixelValueTransformationSequence", "FrameVOILUTSequence", "CTImageFrameTypeSequence",
        "CTAcquisitionTypeSequence", "CTAcquisitionDetailsSequence", "CTTableDynamicsSequence", "CTPositionSequence",
        "CTGeometrySequence", "CTReconstructionSequence", "CTExposureSequence", "CTXRayDetailsSequence",
        "CTAdditionalXRaySourceSequence", "SegmentIdentificationSequence",
        "UnassignedSharedConvertedAttributesSequence", "UnassignedPerFrameConvertedAttributesSequence",
        "ConversionSourceAttributesSequence", "IrradiationEventIdentificationSequence",
        "MultienergyCTAcquisitionSequence", "MultienergyCTCharacteristicsSequence",
        "DimensionOrganizationSequence", "DimensionIndexSequence",
        # segments and structures
        "SegmentSequence", "StructureSetROISequence", "ROIContourSequence", "ContourSequence",
        "RTROIObservationsSequence",
    )
)  # fmt: skip

# The image itself: bytes that are not text. Other bulk data are removed.
PIXELS = frozenset(
    (
        "PixelData",
        "FloatPixelData",
        "DoubleFloatPixelData",
        "ExtendedOffsetTable",
        "ExtendedOffsetTableLengths",
    )
)
