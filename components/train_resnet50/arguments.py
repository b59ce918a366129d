"""Types of command-line arguments: a wrong one is a line of usage, before anything is read."""

from __future__ import annotations

from argparse import ArgumentTypeError
from pathlib import Path


def positive(text: str) -> int:
    """A whole number from 1."""
    return _whole(text, 1)


def not_negative(text: str) -> int:
    """A whole number from 0."""
    return _whole(text, 0)


def at_least_two(text: str) -> int:
    """A whole number from 2."""
    return _whole(text, 2)


def markdown_file(text: str) -> Path:
    """A path that ends in .md: what is written beside it ends in .json."""
    path = Path(text)
    if path.suffix != ".md":
        raise ArgumentTypeError(f"found {text!r}; accepted: a name that ends in .md")
    if path.is_dir():
        raise ArgumentTypeError(f"{text!r} is a folder; name a file")
    return path


def _whole(text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise ArgumentTypeError(f"found {text!r}; accepted: a whole number from {least}")
    return value
