"""One step of training: clipping, the two targets' weights, and the precision it computes in."""

from __future__ import annotations

import pytest
import torch

from models.crop_store import CropStore
from tests.small_training import one_step, prepared, with_

pytestmark = pytest.mark.usefixtures("one_thread")


def test_gradients_are_clipped_to_the_asked_norm(small_store: CropStore) -> None:
    loose, tight = (
        prepared(small_store, with_(clip_norm=1e9)),
        prepared(small_store, with_(clip_norm=0.01)),
    )
    found = []
    for run in (loose, tight):
        torch.manual_seed(0)  # dropout
        run.network.train()
        step = one_step(run)
        gradients = [p.grad for p in run.network.parameters() if p.grad is not None]
        found.append((float(step.norm), float(torch.stack([g.norm() for g in gradients]).norm())))
    (before, kept), (same, clipped) = found
    assert before == pytest.approx(kept, rel=1e-4)
    assert same == pytest.approx(before, rel=1e-4), "the norm before clipping is what is reported"
    assert before > 0.01
    assert clipped == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize(("name", "row"), [("bmd_weight", 0), ("tbs_weight", 1)])
def test_a_target_of_no_weight_teaches_nothing(small_store: CropStore, name: str, row: int) -> None:
    run = prepared(small_store, with_(**{name: 0.0}))
    run.network.train()
    one_step(run)
    for head in (run.network.deep, run.network.shallow):
        assert head.weight.grad is not None
        assert (head.weight.grad[row] == 0).all()
        assert (head.weight.grad[1 - row] != 0).any()


def test_the_loss_is_the_weighted_sum_of_the_two_targets(small_store: CropStore) -> None:
    losses = {}
    for weights in ((1.0, 0.0), (0.0, 1.0), (3.0, 0.5)):
        run = prepared(
            small_store, with_(bmd_weight=weights[0], tbs_weight=weights[1], precision="fp32", dropout=0.0)
        )
        run.network.train()
        losses[weights] = float(one_step(run).loss)
    assert losses[3.0, 0.5] == pytest.approx(3 * losses[1.0, 0.0] + 0.5 * losses[0.0, 1.0], rel=1e-5)


@pytest.mark.parametrize(("precision", "kind"), [("bf16", torch.bfloat16), ("fp32", torch.float32)])
def test_convolutions_run_in_the_asked_precision_and_weights_stay_fp32(
    small_store: CropStore, precision: str, kind: torch.dtype
) -> None:
    run = prepared(small_store, with_(precision=precision))
    seen: list[torch.dtype] = []
    convolution = run.network.backbone.get_submodule("layer1.0.conv1")
    convolution.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    run.network.train()
    step = one_step(run)
    assert seen == [kind]
    assert step.loss.dtype == torch.float32
    assert {p.dtype for p in run.network.parameters()} == {torch.float32}
    assert {p.grad.dtype for p in run.network.parameters() if p.grad is not None} == {torch.float32}
    floats = {value.dtype for value in run.optimisation.averaged.shadow.values() if value.is_floating_point()}
    assert floats == {torch.float32}
