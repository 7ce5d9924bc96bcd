"""Asks a running server's records: in a process of its own, since this one has a database of its own."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

Given = ParamSpec("Given")
Answer = TypeVar("Answer")

_PATIENCE_SECONDS = 120


class Records:
    """The records of the server with these SLIPWAY_* settings."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        context = get_context("spawn")
        self._pool = ProcessPoolExecutor(1, context, initializer=_settle_in, initargs=(dict(settings),))

    def ask(self, question: Callable[Given, Answer], *args: Given.args, **kwargs: Given.kwargs) -> Answer:
        """Call a function of a module there; what it takes and answers must be picklable."""
        return self._pool.submit(question, *args, **kwargs).result(_PATIENCE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()


def _settle_in(settings: Mapping[str, str]) -> None:
    for name in [name for name in os.environ if name.startswith("SLIPWAY_")]:
        del os.environ[name]
    os.environ |= {**settings, "DJANGO_SETTINGS_MODULE": "server.settings"}
    import django

    django.setup()
