"""What a person chose on the command line, checked."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pipelines.spec.conditions import EVENTS


@dataclass(frozen=True, slots=True)
class Choices:
    """`stages` are names as in the file or with their combination; empty means all."""

    stages: tuple[str, ...]
    event: str
    ref: str
    parameters: Mapping[str, str]
    secrets: Mapping[str, str]
    parallel: int
    is_privileged: bool
    approves: bool
    artifacts: Path | None

    @classmethod
    def read(
        cls,
        *,
        stages: Sequence[str],
        event: str,
        ref: str,
        parameters: Iterable[str],
        secret_names: Iterable[str],
        secrets_file: Path | None,
        **others: object,
    ) -> Self:
        """From the options as typed; raises ValueError in words."""
        if event not in EVENTS:
            raise ValueError(f"{event} is no event; one of {', '.join(EVENTS)}")
        secrets = _lines(secrets_file) | {name: _from_environment(name) for name in secret_names}
        return cls(tuple(stages), event, _full(ref, event), dict(map(_pair, parameters)), secrets, **others)  # type: ignore[arg-type]


def _full(ref: str, event: str) -> str:
    space = "refs/tags/" if event == "tag" else "refs/heads/"
    return ref if ref.startswith("refs/") else space + ref


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f"{text} is not of the form NAME=VALUE")
    return name, value


def _from_environment(name: str) -> str:
    if name not in os.environ:
        raise ValueError(f"the environment has no variable {name} to take the secret from")
    return os.environ[name]


def _lines(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    lines = (line.strip() for line in path.read_text().splitlines())
    return dict(_pair(line) for line in lines if line and not line.startswith("#"))
