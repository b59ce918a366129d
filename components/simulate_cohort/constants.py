"""Frozen physics and anatomy constants of the simulated cohort, each with its source.

Fitted once on a calibration cohort of its own seed (`calibrate.py`, seed `CALIBRATION_SEED`) and then frozen.
They are never adjusted to make a network look better or worse. "spec" is the cohort specification's prototype
value; "fit" names the published statistic a number was fitted to; "illustrative" is not measured on anything.
"""

from __future__ import annotations

CALIBRATION_SEED = 20_240_229

# --- patient ---------------------------------------------------------------------------------------------
FEMALE_SHARE = 0.70  # spec: a DXA clinic
AGE_MEAN_YEARS, AGE_SD_YEARS = 63.0, 11.0  # spec
AGE_RANGE_YEARS = (35.0, 88.0)  # spec
BMI_MEAN, BMI_SD, BMI_RANGE = 27.0, 4.5, (17.5, 44.0)  # spec; range illustrative
HEIGHT_CM = {"F": (162.0, 6.5), "M": (175.5, 7.0)}  # NHANES 2015-2018 anthropometry, rounded
VBMD_AT_25_MG_CC = {"F": 203.0, "M": 212.0}  # spec 185, 178; fit: L1 HU by age (Jang 2019: -2.5 a year)
# from age, to age, mg/cc a year; spec 0.9, 2.0, 1.05 (women), 1.1 (men); fit: L1 HU by age
VBMD_LOSS_PER_YEAR = {
    "F": ((25.0, 48.0, 1.2), (48.0, 58.0, 3.6), (58.0, 120.0, 0.95)),
    "M": ((25.0, 120.0, 1.75),),
}
VBMD_SD_MG_CC = 29.0  # spec
CLINICAL_SHIFT_Z = -0.45  # spec (-0.35 to -0.55): a clinic's cohort lies below the population
VBMD_RANGE_MG_CC = (35.0, 300.0)  # plausible QCT range
MICRO_CORRELATION = 0.40  # spec: with vBMD
MICRO_AGE_SLOPE_PER_YEAR = {"F": -0.076, "M": -0.13}  # spec: about 0.05; fit: TBS by age (NHANES)
MICRO_LOSS_UNTIL_YEARS = 72.0  # fit: TBS falls no further at 80 and older (NHANES)
MICRO_MEAN = {"F": 0.0, "M": 0.68}  # fit: TBS of men beside women (NHANES)
DEGENERATION_PER_YEAR = {"F": 0.020, "M": 0.032}  # from 45 years; illustrative; fit: BMD of men over 70
DEGENERATION_SD = 0.35  # illustrative
SHELL_CORRELATION = 0.55  # spec: with vBMD
LEVEL_VBMD_RATIO = {
    "T12": 1.02,
    "L1": 1.00,
    "L2": 0.99,
    "L3": 0.97,
    "L4": 0.98,
    "L5": 1.00,
}  # QCT: falls to L3
LEVEL_VBMD_SD = 0.035  # illustrative: difference between neighbours
MARROW_FAT_AT_25, MARROW_FAT_PER_YEAR = 0.30, 0.0055  # spec

# --- vertebra --------------------------------------------------------------------------------------------
BODY_WIDTH_MM = {
    "T12": 40.0,
    "L1": 41.5,
    "L2": 43.0,
    "L3": 45.5,
    "L4": 48.0,
    "L5": 50.0,
}  # Panjabi 1992, mean
BODY_DEPTH_MM = {"T12": 30.0, "L1": 31.5, "L2": 32.5, "L3": 33.5, "L4": 34.0, "L5": 34.0}  # Panjabi 1992
BODY_HEIGHT_MM = {"T12": 25.0, "L1": 26.5, "L2": 27.5, "L3": 28.0, "L4": 27.5, "L5": 27.0}  # Panjabi 1992
DISC_HEIGHT_MM = {
    "T12": 6.5,
    "L1": 7.5,
    "L2": 9.0,
    "L3": 10.0,
    "L4": 10.5,
    "L5": 9.5,
}  # disc below the level; illustrative
# supine lordosis L1-S1 of about 43 degrees; order of segmental angles as in Vialle 2005 (J Bone Joint Surg 87-A:260)
TILT_DEG = {"T12": 8.0, "L1": 8.0, "L2": 5.5, "L3": 0.0, "L4": -7.0, "L5": -17.0, "S1": -35.0}
# front height less back height of the body, mm: wedge of L1 to L5 (Panjabi 1992; Gilad 1985)
BODY_WEDGE_MM = {"T12": -1.2, "L1": -1.0, "L2": -0.4, "L3": 0.6, "L4": 1.2, "L5": 3.4}
SPINE_ROTATION_SD_DEG = 2.0  # axial rotation of the patient on the table; illustrative
SPINE_OBLIQUITY_SD_DEG = 1.0  # lean of the whole spine to a side; illustrative
RIM_ROUNDING_MM = 2.2  # radius between wall and endplate; illustrative
CORTEX_UNEVEN_SD = 0.18  # of its thickness, over centimetres; illustrative
ALA_REACH_MM = 54.0  # half width of the sacrum at S1; illustrative
ALA_VBMD_SHARE = 0.6  # of the bodies' vBMD: alae hold much fat; illustrative
SACRUM_SHELL_MM, SACRUM_SHELL_MG_CC = 0.8, 420.0  # cortex with the voxel it lies in; illustrative
CREST_ABOVE_S1_MM = 50.0  # height of the iliac crest: between L4 and L5; illustrative
ILIUM_SHELL_MM, ILIUM_SHELL_MG_CC, ILIUM_CORE_SHARE = 1.3, 600.0, 1.0  # cortex; core of vBMD; illustrative
RIB_SHELL_MM, RIB_SHELL_MG_CC, RIB_CORE_SHARE = 1.0, 600.0, 0.8  # likewise; illustrative
S1_SIZE_MM = (50.0, 33.0, 30.0)  # width, depth of its upper endplate, height; Panjabi-type means, rounded
SEX_SCALE = {"F": 0.965, "M": 1.075}  # linear size of women and men beside the mean of both; fit: men's BMD
SIZE_SD = 0.035  # illustrative: linear size within a sex
SHELL_MM, SHELL_LOG_SD, SHELL_MG_CC = 0.54, 0.17, 1050.0  # spec 0.14; fit: SD of BMD (NHANES)
ENDPLATE_FACTOR = 1.15  # spec
BODY_VOXEL_MM = 0.6
POSTERIOR_VOXEL_MM = 1.0
# half width of the pedicles: Panjabi 1992 narrowed at L5, where the canal of this phantom would be cut
PEDICLE_HALF_WIDTH_MM = {"T12": 3.8, "L1": 3.9, "L2": 4.0, "L3": 4.6, "L4": 5.4, "L5": 6.2}
# length of the transverse processes beyond the pedicle: shortest at T12, longest at L3; illustrative
TRANSVERSE_MM = {"T12": 9.0, "L1": 20.0, "L2": 25.0, "L3": 28.0, "L4": 24.0, "L5": 22.0}
POSTERIOR_MG_CC = 725.0  # spec; fit: posterior share of BMC 51.4 +- 4.2 %
POSTERIOR_LOG_SD = 0.125  # spec 0.10-0.135: own variation that a body's CT does not show
POSTERIOR_VBMD_EXPONENT = 0.10  # "partly following vBMD"; fit: BMD by age and sex
POSTERIOR_SHELL_EXPONENT = 0.8  # both are cortical bone; fit: SD of BMD beside the SD of the posterior share
POSTERIOR_AGE_PER_YEAR = {"F": -0.003, "M": 0.007}  # spec -0.001, 0.005; fit: BMD by age
POSTERIOR_LEVEL_RATIO = {
    "T12": 0.88,
    "L1": 0.90,
    "L2": 1.0,
    "L3": 1.08,
    "L4": 1.05,
    "L5": 1.02,
}  # fit: BMD ratios

# --- findings that a reader excludes ---------------------------------------------------------------------
FRACTURE_CHANCE_AT_75 = 0.10  # spec: about 10 % of the elderly
FRACTURE_LOG_PER_YEAR = (
    0.055  # doubles in 12-13 years, as in EVOS/EPOS (Felsenberg 2002, JBMR 17:716), rounded
)
FRACTURE_LOG_PER_SD = 0.70  # per SD of vBMD: about twofold (Marshall 1996, BMJ 312:1254: 2.3 for spine BMD)
FRACTURE_REFERENCE_MG_CC = 97.0  # fit: about 10 % of those over 70 in this cohort
FRACTURE_KINDS, FRACTURE_KIND_SHARE = (
    ("wedge", "biconcave", "crush"),
    (0.55, 0.33, 0.12),
)  # Genant 1993; rounded
FRACTURE_LOSS = (0.22, 0.50)  # of height; grade 1 (20-25 %) to 3 (over 40 %), Genant 1993, JBMR 8:1137
IMPACTION = 0.9  # share of the bone of the lost height that is found in what is left; illustrative
FRACTURE_LEVEL_WEIGHT = {
    "T12": 0.27,
    "L1": 0.29,
    "L2": 0.15,
    "L3": 0.12,
    "L4": 0.10,
    "L5": 0.07,
}  # illustrative
SECOND_FRACTURE_SHARE = 0.25  # illustrative
METAL_SHARE = 0.03  # spec: metal or cement about 3 %
SCREW_SHARE = 0.65  # of those; the rest is cement in one body; illustrative
SCREW_LEVELS = (
    ("L3", "L4"),
    ("L4", "L5"),
    ("L2", "L3"),
    ("L1", "L2"),
)  # two neighbouring levels; illustrative
CEMENT_SHARE = 0.45  # of the space that cement takes between the trabeculae; illustrative
STREAK_HU = 90.0  # strength of metal streaks beside a screw; illustrative
SCOLIOSIS_SHARE = 0.04  # spec: a few per cent
SCOLIOSIS_COBB_DEG = (14.0, 38.0)  # marked: above 10 degrees (SRS); range illustrative
SCOLIOSIS_TURN_PER_COBB = 0.45  # degrees of axial rotation at the apex per degree; illustrative

# --- trabecular texture ----------------------------------------------------------------------------------
TEXTURE_LENGTH_MM = (0.25, 0.60)  # spec: correlation length (sigma of the filter), good to poor structure
TEXTURE_ANISOTROPY = (1.3, 1.9)  # spec: vertical
TEXTURE_AMPLITUDE = (0.25, 0.95)  # SD at the voxel; spec 0.30-0.70; fit: share of TBS that texture makes
TEXTURE_VBMD_EXPONENT = 0.75  # of 140 / vBMD; spec 0.5; fit: r(TBS, age) negative
TEXTURE_MAX_SD = 1.4  # illustrative: no voxel field more extreme than this
REGIONAL_SD = (0.04, 0.08)  # spec
REGIONAL_LENGTH_MM = 5.0  # illustrative

# --- DXA -------------------------------------------------------------------------------------------------
DXA_ENERGIES_KEV = (45.0, 75.0)  # effective energies of a switched 100/140 kVp source; illustrative
DXA_PHOTONS = 2.0e7  # spec: incident per pixel and energy
DXA_PIXEL_X_MM, DXA_PIXEL_Z_MM = 0.5, 1.0  # spec
DXA_BLUR_MM = 0.45  # spec
DXA_GAIN_SD = 0.006  # spec
DXA_SOFT_TISSUE_SD_G_CM2 = 0.030  # fat inhomogeneity left after the baseline; fit: BMD precision
DXA_TURN_SD_DEG, DXA_TURN_MAX_DEG = 1.0, 4.0  # axial rotation of a patient on the table; fit: precision
DXA_LINE_SD_MM = 1.0  # how well an analyst finds the middle of a disc; fit: precision
DXA_EDGE_FRACTION = 0.35  # edge mask, of the level's median areal density; illustrative
DXA_LATERAL_MARGIN_MM = 4.0  # transverse processes are cut off beyond the body's edge; ISCD practice
BODY_THICKNESS_CM = (13.5, 0.36)  # spec: intercept and slope with BMI
BMD_SCALE = 1.09  # fit: NHANES lumbar BMD (Hologic)
TBS_INSET_MM = 5.0  # spec
TBS_LAGS_MM = (1, 2, 3, 4)  # spec
TBS_TREND_MM = 5.0  # sigma of the smooth background taken off first; fit: r(TBS, micro), equal levels
# fit: mean and SD by age and sex (NHANES TBS); the commercial scale is proprietary
TBS_SLOPE, TBS_OFFSET = 1.06, -0.418

# --- CT --------------------------------------------------------------------------------------------------
HYDROXYAPATITE = {"Ca": 0.3989, "P": 0.1850, "O": 0.4141, "H": 0.0020}  # Ca10(PO4)6(OH)2 by mass
HYDROXYAPATITE_G_CC = 3.16  # crystal density
# Elemental mass fractions and density (g/cc): ICRU Report 44 / ICRP Publication 23, trace elements left out.
# Adipose at 0.925 (range given 0.92-0.97): about -100 HU as patients' fat has. Muscle at 1.060 (lean muscle,
# Mendez and Keys 1960, Metabolism 9:184), blood at 1.052 (haematocrit about 0.40).
TISSUES: dict[str, tuple[dict[str, float], float]] = {
    "water": ({"H": 0.1119, "O": 0.8881}, 1.000),
    "adipose": ({"H": 0.114, "C": 0.598, "N": 0.007, "O": 0.278}, 0.925),
    "muscle": ({"H": 0.102, "C": 0.143, "N": 0.034, "O": 0.710, "K": 0.004, "S": 0.003}, 1.060),
    "blood": ({"H": 0.102, "C": 0.110, "N": 0.033, "O": 0.745, "Fe": 0.001, "Cl": 0.003}, 1.052),
    "red_marrow": ({"H": 0.105, "C": 0.414, "N": 0.034, "O": 0.439, "S": 0.002}, 1.030),
    "yellow_marrow": ({"H": 0.115, "C": 0.644, "N": 0.007, "O": 0.231}, 0.980),
    # Ti-6Al-4V (ASTM F136, nominal); PMMA with 30 % barium sulphate by mass, as vertebroplasty cements have it
    "titanium": ({"Ti": 0.90, "Al": 0.06, "V": 0.04}, 4.43),
    "bone_cement": ({"H": 0.056, "C": 0.420, "O": 0.306, "Ba": 0.1765, "S": 0.0412}, 1.45),
    "disc": ({"H": 0.096, "C": 0.099, "N": 0.022, "O": 0.744, "Na": 0.005, "S": 0.009, "P": 0.010}, 1.080),
}
# usual unenhanced HU of what is no mixture above; textbook values, illustrative
ORGAN_HU = {
    "liver": 57.0,
    "spleen": 48.0,
    "kidney": 32.0,
    "bowel": 40.0,
    "stool": 8.0,
    "skin": 25.0,
    "thecal sac": 20.0,
}
MUSCLE_FAT = (0.025, 0.0014, 0.003)  # share at 40 years and BMI 25, per year, per kg/m2; illustrative
PLAQUE_FROM_YEARS, PLAQUES_PER_YEAR = 48.0, 0.12  # calcified aortic plaques between T12 and L4; illustrative
PLAQUE_MG_CC = (150.0, 550.0)  # illustrative
COUCH_SHELL_HU, COUCH_FOAM_HU = 120.0, -940.0  # thin carbon-fibre shell, foam; illustrative
COUCH_DEPTH_MM, COUCH_HALF_WIDTH_MM, COUCH_RADIUS_MM = 55.0, 210.0, 480.0  # illustrative
FILTER_ALUMINIUM_MM = 7.0  # inherent and bowtie filtration of a CT tube; illustrative
HARDENING_WATER_MM = 250.0  # adult abdomen in front of the detector; illustrative
NOISE_MEDIAN_HU = 18.0  # spec: 9 / 18 / 44 HU at the 5th, 50th and 95th percentile
NOISE_LOG_SD = 0.36  # fit: those percentiles, with kernel, thickness and body size below
NOISE_SHARP_FACTOR = 1.7  # illustrative
NOISE_REFERENCE_THICKNESS_MM = 3.0
NOISE_PER_BMI = 0.022  # log per kg/m2; illustrative
SCANNER_SCALE_SD, SCANNER_OFFSET_SD_HU = 0.012, 3.0  # spec: jitter between scanners of a vendor
KERNEL_SIGMA_MM = {"soft": (0.45, 0.55), "sharp": (0.29, 0.34)}  # spec
SLICE_EDGE_SIGMA_MM = 0.35  # roundness of the slice profile; illustrative
