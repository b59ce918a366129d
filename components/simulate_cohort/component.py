"""KFP shim: the pinned data set, pulled from a DVC remote or regenerated, its hash checked."""

from typing import NamedTuple

from kfp import dsl


@dsl.component(base_image="osteogate-python", install_kfp_package=False)
def obtain_data(
    root: str,
    spec: str,
    accept_changed_data: bool,
    data_folder: str,
) -> NamedTuple("Dataset", [("path", str), ("version", str), ("kind", str)]):  # type: ignore[valid-type]
    """Data set of `root/data.dvc`, or the site's own cohort in `data_folder`."""
    from pathlib import Path
    from typing import NamedTuple

    from components.simulate_cohort.dataset import obtain, open_site_cohort
    from components.simulate_cohort.params import SimulateParams
    from components.step import Step

    with Step("data", spec) as step:
        if data_folder:
            dataset = open_site_cohort(Path(data_folder))
        else:
            params = step.params("simulate", SimulateParams)
            dataset = obtain(Path(root), params, accept_changed=accept_changed_data, progress=step.progress)
        step.note(
            version=dataset.version, kind=dataset.kind, source=dataset.source, patients=dataset.patients
        )
    found = NamedTuple("found", [("path", str), ("version", str), ("kind", str)])
    return found(str(dataset.path), dataset.version, dataset.kind)
