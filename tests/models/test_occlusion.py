"""Whether a model looks at the vertebral body: known answers by hand, and trained models that do and do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models.artefact import LoadedModel, save_model
from models.body_region import body_mask, body_weight
from models.crop_store import CropGeometry, CropStore, open_crop_store
from models.evaluation.bootstrap import Resampling
from models.evaluation.saliency_facts import SaliencyFacts
from models.evaluation.saliency_measure import _seen, measure_saliency
from models.network import BoneNet
from models.occlusion import OcclusionError, occlude
from models.saliency import attribute
from models.train_params import TrainParams
from models.training import fit
from tests.crop_store_factory import make_store

HOW = Resampling(draws=200, seed=1, confidence=0.95)
GEOMETRY = CropGeometry(pixels=64, size_mm=64.0, slices=3, slice_spacing_mm=2.0, centre_shift_mm=6.0)


class BodyAndRest(BoneNet):
    """BMD = body_share x mean HU of the body + rest_share x mean HU of the rest, each per 1000; TBS = 1."""

    body_share = 1.0
    rest_share = 0.0

    def forward(self, crops: Tensor, acquisition: Tensor) -> tuple[Tensor, Tensor]:
        inside = torch.from_numpy(body_weight(self.geometry, edge_mm=1e-6)).float()
        body = (crops.float() * inside).sum((1, 2, 3)) / (inside.sum() * crops.shape[1])
        rest = (crops.float() * (1 - inside)).sum((1, 2, 3)) / ((1 - inside).sum() * crops.shape[1])
        bmd = (self.body_share * body + self.rest_share * rest) / 1000
        return bmd[:, None], torch.ones(len(crops), 1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> CropStore:
    return make_store(tmp_path_factory.mktemp("store") / "s", patients=120, offsets_mm=(0.0,))


def _trained(store: CropStore, folder: Path) -> LoadedModel:
    params = TrainParams(
        arch="resnet18", epochs=4, batch=32, learning_rate=1e-3, precision="fp32", device="cpu", threads=1
    )
    trained = fit(store, params)
    return LoadedModel(trained.network.eval(), save_model(trained, folder, git_commit=None))


@pytest.fixture(scope="module")
def facts(store: CropStore, tmp_path_factory: pytest.TempPathFactory) -> SaliencyFacts:
    model = _trained(store, tmp_path_factory.mktemp("model") / "m")
    return measure_saliency(model, store, HOW)[0]


def test_the_body_lies_where_crops_were_cut_around_it() -> None:
    """Panjabi's 35 x 28 mm with 2 mm of margin: 39 mm along 64 columns, 32 along the rows, 6 mm before the middle."""
    mask = body_mask(GEOMETRY)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    assert (rows[0], rows[-1]) == (16, 47)
    assert abs(columns.mean() - (31.5 - 6.0)) <= 0.5
    assert 38 <= len(columns) <= 40
    assert 0.85 * 39 * 32 < mask.sum() < 39 * 32


def test_a_model_of_known_weights_gets_the_ratio_of_their_effects(store: CropStore) -> None:
    """By hand: swapping the body moves BMD by its share of the change in the body's mean HU, and so outside."""
    card = LoadedModel(None, None)  # type: ignore[arg-type]
    network = BodyAndRest(TrainParams(arch="resnet18").network(store.header.geometry)).eval()
    network.geometry = store.header.geometry
    network.config = network.config.model_copy(update={"kvp_exponent": 0.0})
    network.body_share, network.rest_share = 2.0, 1.0
    found = occlude(LoadedModel(network, card.card), store, seed=3)
    weight = body_weight(store.header.geometry)
    sharp = body_weight(store.header.geometry, edge_mm=1e-6)
    index = store.index[store.index["split"] == "test"].reset_index()
    hu = {
        (row.patient, row.level): np.asarray(store.hu[row.index_], dtype=float)
        for row in index.rename(columns={"index": "index_"}).itertuples()
    }
    patient = found.patients[0]
    moved = []
    for level in ("L1", "L2", "L3", "L4"):
        own = hu[patient, level]
        others = np.mean([crop for key, crop in hu.items() if key[1] == level and key[0] != patient], axis=0)
        new = own * (1 - weight) + others * weight
        effect = 0.0
        for share, region in ((2.0, sharp), (1.0, 1 - sharp)):
            effect += share * ((new - own) * region).sum() / (region.sum() * own.shape[0]) / 1000
        moved.append(abs(effect))
    assert found.inside["average"][0, 0] == pytest.approx(moved[0], rel=1e-3)
    assert np.all(found.inside["average"][:, 1] == 0)


def test_a_model_trained_on_bodies_looks_at_bodies(facts: SaliencyFacts) -> None:
    for target in ("bmd", "tbs"):
        metric = facts.metrics[f"{target}.average"]
        assert metric.value is not None
        assert metric.low is not None
        assert metric.value >= 3.0
        assert metric.low <= metric.value
    assert facts.reached == {"bmd": True, "tbs": True}
    assert facts.attributed_inside["bmd"] > facts.body_area_share


def test_what_the_network_sees_is_its_field_of_view(store: CropStore) -> None:
    """48 of 64 mm: 39 x 32 mm with rounded corners, of 48 x 48 mm; seen whole it is the share of the crop."""
    config = TrainParams(arch="resnet18").network(store.header.geometry)
    narrow, whole = (
        _seen(config.model_copy(update={"field_of_view_mm": side}), store.header.geometry)
        for side in (48.0, None)
    )
    assert (narrow.side_mm, narrow.crop_mm) == (48.0, 64.0)
    assert 0.85 * 39 * 32 / 48**2 < narrow.body_area_share < 39 * 32 / 48**2
    assert "surroundings outside it cannot move the answer" in narrow.words
    assert whole.body_area_share == pytest.approx(body_mask(store.header.geometry).mean())
    assert whole.words == "The network sees the whole crop (64 mm)."


def test_a_model_that_learnt_a_mark_beside_a_masked_body_is_found_out(
    store: CropStore, tmp_path: Path
) -> None:
    """Body grey for everybody, the label written into the soft tissue: such a model must fail the check."""
    hu = np.array(store.hu)
    inside = body_mask(store.header.geometry)
    hu[:, :, inside] = 100
    told = (400 * (store.index["bmd_g_cm2"] - 0.93)).to_numpy()
    hu[:, :, ~inside] = np.rint(hu[:, :, ~inside] + told[:, None, None]).astype(np.int16)
    make_store(tmp_path / "store", patients=120, offsets_mm=(0.0,))
    np.save(tmp_path / "store" / "hu.npy", hu)
    marked = open_crop_store(tmp_path / "store")
    facts, _ = measure_saliency(_trained(marked, tmp_path / "model"), marked, HOW)
    assert not facts.reached["bmd"]
    assert (facts.metrics["bmd.average"].value or 0.0) < 1.0


def test_attributions_add_up_to_the_estimates_difference(store: CropStore, tmp_path: Path) -> None:
    """Completeness (Sundararajan 2017, proposition 1): the sum is the estimate less the baseline's."""
    network = BodyAndRest(TrainParams(arch="resnet18").network(store.header.geometry)).eval()
    network.geometry = store.header.geometry
    model = LoadedModel(network, None)  # type: ignore[arg-type]
    row = int(store.index.index[5])
    (found,) = attribute(model, store, [row], steps=8)
    inside = body_weight(store.header.geometry, edge_mm=1e-6)
    mean = (np.asarray(store.hu[row], dtype=float) * inside).sum() / (inside.sum() * 3)
    assert found.maps["bmd_g_cm2"].sum() == pytest.approx((mean - 40.0) / 1000, rel=1e-3)
    assert found.inside["bmd_g_cm2"] == pytest.approx(1.0, abs=0.05)


def test_one_patient_alone_cannot_be_exchanged(store: CropStore) -> None:
    network = BoneNet(TrainParams(arch="resnet18").network(store.header.geometry)).eval()
    one = store.index["patient"] == store.index.loc[store.index["split"] == "test", "patient"].iloc[0]
    single = CropStore(store.header, store.hu, store.index[one])
    with pytest.raises(OcclusionError, match="1 patients"):
        occlude(LoadedModel(network, None), single)  # type: ignore[arg-type]
