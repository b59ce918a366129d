"""Reading params.yaml: its profiles, and one section at a time, checked against a frozen `Section`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from models.errors import ParameterError


class Section(BaseModel):
    """Base of every section of params.yaml: frozen; unknown keys refused, and truth values for numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """`epochs: yes` would pass as 1: refuse true and false where only a number is meant."""
        if isinstance(value, bool):
            annotation = cls.model_fields[str(info.field_name)].annotation
            kinds = {annotation, *get_args(annotation)}
            if kinds & {int, float} and bool not in kinds:
                raise ValueError("a number is accepted, not true or false")
        return value


class KeyRepeatedError(ParameterError):
    """A YAML mapping has a key twice; which of the values is meant is never guessed."""


class _EachKeyOnce(yaml.SafeLoader):
    """YAML's safe loader, which alone would let the last of equal keys replace the others without a word."""

    def get_single_node(self) -> yaml.Node | None:
        """The document; ten lines of aliases of aliases stand for more values than any memory holds."""
        node: yaml.Node | None = super().get_single_node()
        if node is not None and _written_out(node, {}) > VALUES_MAX:
            raise yaml.YAMLError(f"its aliases stand for more than {VALUES_MAX} values")
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        first: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                name = (key.tag, key.value)
                if name in first:
                    raise KeyRepeatedError(
                        f"line {line}: key {key.value!r} stands on line {first[name]} already; "
                        "accepted: each key of a mapping once"
                    )
                first[name] = line
        return super().construct_mapping(node, deep)


def _written_out(node: yaml.Node, known: dict[int, int]) -> int:
    """Values of a node with its aliases written out; one that holds itself has too many."""
    if id(node) not in known:
        known[id(node)] = VALUES_MAX + 1
        inner = (
            [part for pair in node.value for part in pair]
            if isinstance(node, yaml.MappingNode)
            else node.value
        )
        parts = inner if isinstance(node, yaml.CollectionNode) else ()
        known[id(node)] = 1 + sum(_written_out(part, known) for part in parts)
    return known[id(node)]


SectionT = TypeVar("SectionT", bound=BaseModel)
VALUES_MAX = 100_000  # a hundred times those of the checkout's own file
PROFILES = "profiles"  # the one part of the file that is no section


def read_params_file(path: Path, profile: str | None = None) -> dict[str, Any]:
    """The whole file as a mapping of sections, unchecked.

    Parameters
    ----------
    profile
        Name under `profiles`, whose values replace the file's own; None takes the file as it is.

    Raises
    ------
    ParameterError
        When the file is missing, not YAML, not a mapping or has a key twice in one mapping, or for a wrong
        profile (see `with_profile`).
    """
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_EachKeyOnce)
    except OSError as error:
        raise ParameterError(f"{path}: cannot be read ({error.strerror}); name a params.yaml") from error
    except KeyRepeatedError as error:
        raise ParameterError(f"{path}: {error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # not UTF-8, a date that is none, too deep
        reason = " ".join(str(error).split())
        raise ParameterError(f"{path}: not valid YAML ({reason})") from error
    if not isinstance(document, dict):
        raise ParameterError(f"{path}: expected a mapping of sections, found {type(document).__name__}")
    profiles = document.pop(PROFILES, None)
    if profile is None:
        return document
    try:
        return with_profile(document, profiles, profile)
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from error


def with_profile(sections: dict[str, Any], profiles: Any, name: str) -> dict[str, Any]:
    """The sections with a profile's values in place of theirs: mappings are merged, all else is replaced.

    Parameters
    ----------
    sections
        Section name to its mapping; left as it is.
    profiles
        Profile name to its overrides, as the file has them; a profile without any is empty or null.

    Raises
    ------
    ParameterError
        No profile of that name; or an override of a key that the sections do not have, or of a mapping by
        something else or the other way about: one line that names every such key.
    """
    if not isinstance(profiles, dict) or name not in profiles:
        known = (
            ", ".join(map(str, profiles)) if isinstance(profiles, dict) and profiles else "none is defined"
        )
        raise ParameterError(f"profile {name!r} is not under {PROFILES}; accepted: {known}")
    problems: list[str] = []

    def merged(own: dict[str, Any], overrides: Any, where: str) -> dict[str, Any]:
        if not isinstance(overrides, dict):
            problems.append(f"{where}: expected a mapping, found {overrides!r}")
            return own
        result = dict(own)
        for key, value in overrides.items():
            place = f"{where}.{key}"
            if key not in own:
                problems.append(f"{place}: unknown key; accepted keys: {', '.join(map(str, own))}")
            elif isinstance(own[key], dict):
                result[key] = merged(own[key], value, place)
            elif isinstance(value, dict):
                problems.append(f"{place}: found a mapping; expected one value, as {own[key]!r}")
            else:
                result[key] = value
        return result

    overrides = {} if profiles[name] is None else profiles[name]
    result = merged(sections, overrides, f"{PROFILES}.{name}")
    if problems:
        raise ParameterError(" | ".join(problems))
    return result


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
            elif not item["loc"]:  # a rule over several keys, whose words name them; its input is the section
                problems.append(f"{key}: {item['msg'].removeprefix('Value error, ')}")
            else:
                problems.append(
                    f"{key}: found {item['input']!r}; {item['msg'].removeprefix('Value error, ')}"
                )
        raise ParameterError("params.yaml: " + " | ".join(problems)) from error


def load_section(path: Path, name: str, model: type[SectionT], profile: str | None = None) -> SectionT:
    """Section `name` of the params file at `path`, under a profile if one is named."""
    document = read_params_file(path, profile)
    if name not in document:
        raise ParameterError(f"{path}: section '{name}' is missing")
    return parse_section(name, document[name], model)
