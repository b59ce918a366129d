"""A month of ordinary simulated traffic: studies simulated, cut into crops and measured, streamed one by one."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from components.detect_drift.study import TrafficStudy, cut_study
from components.detect_drift.traffic_cache import TrafficCache, code_hash
from components.prepare_vertebrae.params import PrepareParams
from components.simulate_cohort.params import SimulateParams
from models.refusal import RefusedError

NOT_OF_TRAFFIC = {"patients", "seed", "defects", "rle_share", "vendor_mix"}  # of the cohort on disk only


@dataclass(frozen=True)
class TrafficPlan:
    """Which studies a month holds.

    Attributes
    ----------
    per_vendor
        Studies of each vendor.
    hu_shift
        HU added to every study of a vendor before anything else looks at it, to rehearse a calibration shift.
    """

    vendors: tuple[str, ...]
    per_vendor: int
    seed: int
    simulate: SimulateParams
    prepare: PrepareParams
    hu_shift: Mapping[str, float]

    def key(self) -> str:
        """16 hex digits over everything that the pixels of any study depend on, seed and shift apart."""
        recipe = {
            "code": code_hash(),
            "simulate": self.simulate.model_dump(mode="json", exclude=NOT_OF_TRAFFIC),
            "prepare": self.prepare.model_dump(mode="json", exclude={"split", "lateral_offset_mm"}),
        }
        return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]

    def orders(self) -> list[Order]:
        """The studies, vendors taking turns; the first few orders are those of a smaller plan."""
        key = self.key()
        return [
            Order(number * len(self.vendors) + turn, vendor, self.seed, self.hu_shift.get(vendor, 0.0), key)
            for number in range(self.per_vendor)
            for turn, vendor in enumerate(self.vendors)
        ]


@dataclass(frozen=True)
class Order:
    """One study to be simulated.

    Attributes
    ----------
    index
        Of the simulated patient; each vendor has patients of its own.
    """

    index: int
    vendor: str
    seed: int
    shift_hu: float
    key: str

    @property
    def study(self) -> str:
        """Hash that names the study: the same study, simulated again, has the same one."""
        text = f"{self.key}/{self.seed}/{self.index}/{self.vendor}/{self.shift_hu:g}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Refused:
    """A simulated study that preparation refused."""

    order: Order
    codes: tuple[str, ...]


def stream(plan: TrafficPlan, *, workers: int, cache: Path | None) -> Iterator[TrafficStudy | Refused]:
    """The month's studies in order; what the cache holds is not simulated again.

    Parameters
    ----------
    workers
        Processes; one means this one.
    cache
        Folder for crops and statistics, which do not depend on the model; None keeps nothing.
    """
    orders = plan.orders()
    store = TrafficCache(cache, plan.key()) if cache is not None else None
    waiting = [order for order in orders if store is None or not store.holds(order.study)]
    made = _simulate(waiting, plan, workers)
    simulated = {order.study for order in waiting}
    for order in orders:
        if order.study in simulated or store is None:
            item = next(made)
            if store is not None and isinstance(item, TrafficStudy):
                store.save(item)
            yield item
        else:
            yield store.load(order.study)


def _simulate(orders: Sequence[Order], plan: TrafficPlan, workers: int) -> Iterator[TrafficStudy | Refused]:
    jobs = [(order, plan.simulate, plan.prepare) for order in orders]
    if workers == 1 or len(jobs) < 2:
        yield from map(_make, jobs)
        return
    # spawned, not forked: the parent holds gRPC threads, which do not survive a fork
    pool = ProcessPoolExecutor(
        min(workers, len(jobs)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=threadpool_limits,
        initargs=(1,),
    )
    try:
        yield from pool.map(_make, jobs)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _make(job: tuple[Order, SimulateParams, PrepareParams]) -> TrafficStudy | Refused:
    order, simulate, prepare = job
    try:
        return cut_study(
            index=order.index,
            seed=order.seed,
            vendor=order.vendor,
            shift_hu=order.shift_hu,
            name=order.study,
            simulate=simulate,
            prepare=prepare,
        )
    except RefusedError as error:  # caught here: the exception itself does not travel between processes
        return Refused(order, tuple(str(code) for code in error.codes))
