"""Several threads or processes that want the same thing at the same moment, each with its own database connection."""

import multiprocessing
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import connections

T = TypeVar("T")


def race(count: int, act: Callable[[int], T]) -> list[T | Exception]:
    """What each of `count` threads got from `act(number)`, or raised in it; all begin together."""
    results: dict[int, T | Exception] = {}
    start = threading.Barrier(count)

    def run(number: int) -> None:
        start.wait(timeout=120)
        results[number] = _outcome(act, number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[number] for number in range(count)]


def race_processes(count: int, act: Callable[[int], Any]) -> list[Any]:
    """As `race`, with processes; what `act` gives or raises must be picklable."""
    connections.close_all()  # a connection must not be shared with a child
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    start = context.Barrier(count)

    def run(number: int) -> None:
        start.wait(timeout=120)
        answers.put((number, _outcome(act, number)))

    processes = [context.Process(target=run, args=(number,)) for number in range(count)]
    for process in processes:
        process.start()
    results = dict(answers.get() for _ in processes)
    for process in processes:
        process.join()
    return [results[number] for number in range(count)]


def _outcome(act: Callable[[int], T], number: int) -> T | Exception:
    try:
        return act(number)
    except Exception as error:
        return error
    finally:
        connections.close_all()
