"""Reading params.yaml: each concern defines a frozen `Section`; this module loads and checks one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from models.errors import ParameterError


class Section(BaseModel):
    """Base of every section of params.yaml: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


SectionT = TypeVar("SectionT", bound=BaseModel)


def read_params_file(path: Path) -> dict[str, Any]:
    """The whole file as a mapping of sections, unchecked.

    Raises
    ------
    ParameterError
        When the file is missing, not YAML, or not a mapping.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(f"{path}: cannot be read ({error.strerror}); name a params.yaml") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ParameterError(f"{path}: not valid YAML ({reason})") from error
    if not isinstance(document, dict):
        raise ParameterError(f"{path}: expected a mapping of sections, found {type(document).__name__}")
    return document


def parse_section(name: str, values: Any, model: type[SectionT]) -> SectionT:
    """One section checked against its model.

    Raises
    ------
    ParameterError
        Naming every wrong key, what was found, and what would be accepted.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = []
        for item in error.errors():
            key = ".".join([name, *(str(part) for part in item["loc"])])
            if item["type"] == "extra_forbidden":
                known = ", ".join(model.model_fields)
                problems.append(f"{key}: unknown key; accepted keys: {known}")
            elif item["type"] == "missing":
                problems.append(f"{key}: missing; it is required")
            else:
                problems.append(f"{key}: found {item['input']!r}; {item['msg']}")
        raise ParameterError("params.yaml: " + " | ".join(problems)) from error


def load_section(path: Path, name: str, model: type[SectionT]) -> SectionT:
    """Section `name` of the params file at `path`."""
    document = read_params_file(path)
    if name not in document:
        raise ParameterError(f"{path}: section '{name}' is missing")
    return parse_section(name, document[name], model)
