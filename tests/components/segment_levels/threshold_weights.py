"""Networks that call bright voxels L3, in the folders and file formats that the engine reads its own from.

Runs inside the engine's environment: `python threshold_weights.py FOLDER`. Their weights are set by hand, so the
place of every voxel that a whole run of the engine finds is known.
"""

import json
import sys
from pathlib import Path

import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from totalsegmentator.map_to_binary import class_map, class_map_5_parts

NETWORKS = {
    "Dataset297_TotalSegmentator_total_3mm_1559subj": ("nnUNetTrainer_4000epochs_NoMirroring", 3.0, None),
    "Dataset298_TotalSegmentator_total_6mm_1559subj": ("nnUNetTrainer_4000epochs_NoMirroring", 6.0, None),
    "Dataset292_TotalSegmentator_part2_vertebrae_1532subj": (
        "nnUNetTrainerNoMirroring", 1.5, "class_map_part_vertebrae"
    ),
    "Dataset295_TotalSegmentator_part5_ribs_1559subj": ("nnUNetTrainerNoMirroring", 1.5, "class_map_part_ribs"),
}  # fmt: skip
FOUND = "vertebrae_L3"
BRIGHT = 1.2  # standard deviations above the mean of a patch
ARCHITECTURE = {
    "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
    "arch_kwargs": {
        "n_stages": 2, "features_per_stage": [2, 2], "conv_op": "torch.nn.modules.conv.Conv3d",
        "kernel_sizes": [[3, 3, 3], [3, 3, 3]], "strides": [[1, 1, 1], [2, 2, 2]],
        "n_conv_per_stage": [1, 1], "n_conv_per_stage_decoder": [1], "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d", "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None, "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": True},
    },
    "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
}  # fmt: skip


def main(folder: Path) -> None:
    """Write all networks of both resolutions."""
    for dataset, (trainer, spacing_mm, part) in NETWORKS.items():
        names = class_map["total"] if part is None else class_map_5_parts[part]
        place = folder / dataset / f"{trainer}__nnUNetPlans__3d_fullres"
        (place / "fold_0").mkdir(parents=True, exist_ok=True)
        plans, described = plans_of(dataset, spacing_mm), described_as(names)
        (place / "plans.json").write_text(json.dumps(plans))
        (place / "dataset.json").write_text(json.dumps(described))
        checkpoint = {
            "network_weights": threshold_network(names), "trainer_name": trainer,
            "inference_allowed_mirroring_axes": None,
            "init_args": {"configuration": "3d_fullres", "plans": plans, "fold": 0, "dataset_json": described},
        }  # fmt: skip
        torch.save(checkpoint, place / "fold_0" / "checkpoint_final.pth")


def threshold_network(names: dict[int, str]) -> dict[str, torch.Tensor]:
    """Weights that hand the image through to the last layer, where only background and FOUND may win."""
    network = get_network_from_plans(
        ARCHITECTURE["network_class_name"], ARCHITECTURE["arch_kwargs"], ARCHITECTURE["_kw_requires_import"],
        1, len(names) + 1, deep_supervision=False,
    )  # fmt: skip
    weights = network.state_dict()
    for name, values in weights.items():
        if "all_modules" in name:
            continue  # the same tensors by a second name
        values.zero_()
        if name.endswith("norm.weight"):
            values.fill_(1)
        elif name.endswith("conv.weight") and values.ndim == 5:
            values[0, 2 if values.shape[1] == 4 else 0, 1, 1, 1] = (
                1  # of four, the last two skipped the depth
            )
    last = [name for name in weights if "seg_layers" in name]
    (weight,) = [weights[name] for name in last if name.endswith("weight")]
    (bias,) = [weights[name] for name in last if name.endswith("bias")]
    bias[1:] = -1e3
    for label, name in names.items():
        if name == FOUND:
            weight[label, 0], bias[label] = 1, -BRIGHT
    return weights


def plans_of(dataset: str, spacing_mm: float) -> dict[str, object]:
    """A plan of nnU-Net for one channel of CT."""
    image = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    labels = {**image, "is_seg": True, "order": 1}
    resample = "resample_data_or_seg_to_shape"
    configuration = {
        "data_identifier": "nnUNetPlans_3d_fullres", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2,
        "patch_size": [64, 64, 64], "median_image_size_in_voxels": [64.0] * 3, "spacing": [spacing_mm] * 3,
        "normalization_schemes": ["CTNormalization"], "use_mask_for_norm": [False],
        "resampling_fn_data": resample, "resampling_fn_data_kwargs": image,
        "resampling_fn_seg": resample, "resampling_fn_seg_kwargs": labels,
        "resampling_fn_probabilities": resample, "resampling_fn_probabilities_kwargs": labels,
        "architecture": ARCHITECTURE, "batch_dice": False,
    }  # fmt: skip
    hu = {"mean": 0.0, "std": 300.0, "median": 0.0, "min": -1024.0, "max": 3071.0}
    hu |= {"percentile_00_5": -1000.0, "percentile_99_5": 1500.0}
    return {
        "dataset_name": dataset, "plans_name": "nnUNetPlans", "configurations": {"3d_fullres": configuration},
        "original_median_spacing_after_transp": [spacing_mm] * 3, "original_median_shape_after_transp": [64] * 3,
        "image_reader_writer": "NibabelIO", "transpose_forward": [0, 1, 2], "transpose_backward": [0, 1, 2],
        "experiment_planner_used": "ExperimentPlanner", "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": hu},
    }  # fmt: skip


def described_as(names: dict[int, str]) -> dict[str, object]:
    """What nnU-Net wants to know of a data set."""
    labels = {"background": 0} | {name: label for label, name in names.items()}
    return {"channel_names": {"0": "CT"}, "labels": labels, "numTraining": 1, "file_ending": ".nii.gz"}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
