"""Runs a command of the server with the kill points in it: `python -m tests.faults.armed manage.py worker stage`.

The product has no hooks: the functions that the points name are wrapped here, before the command begins. Each point
kills once in the life of a state directory; what was begun after that is written beside it, to measure the recovery.
"""

import functools
import importlib
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import django

from tests.faults.points import POINTS, Point, When

Call = Callable[..., Any]


class Trap:
    """The points of this process, and the work that it has in hand."""

    def __init__(self, directory: Path, process: str) -> None:
        self._directory = directory
        self._points = [point for point in POINTS if point.process == process]
        self._beginnings = _BEGINNINGS.get(process, {})
        self._title = self._stage = ""
        self._calls: dict[str, int] = {}

    def arm(self) -> None:
        """Wrap what the points name, then what tells whose work begins: that is asked first."""
        for point in self._points:
            _replace(point.target, functools.partial(self._with_point, point))
        for target, title_of in self._beginnings.items():
            _replace(target, functools.partial(self._with_title, title_of))

    def _with_point(self, point: Point, original: Call) -> Call:
        @functools.wraps(original)
        def called(*args: Any, **kwargs: Any) -> Any:
            is_due = self._is_due(point)
            if is_due and point.when is When.BEFORE:
                self._die(point)
            result = original(*args, **kwargs)
            if is_due and point.when is When.AFTER:
                self._die(point)
            return result

        return called

    def _with_title(self, title_of: Call, original: Call) -> Call:
        @functools.wraps(original)
        def called(*args: Any, **kwargs: Any) -> Any:
            self._title, self._stage = title_of(*args)
            result = original(*args, **kwargs)
            self._note_begun()
            return result

        return called

    def _is_due(self, point: Point) -> bool:
        if point.name != self._title or point.stage not in ("", self._stage):
            return False
        self._calls[point.name] = self._calls.get(point.name, 0) + 1
        return self._calls[point.name] == point.nth

    def _die(self, point: Point) -> None:
        try:
            with (self._directory / f"{point.name}.killed").open("x") as mark:
                mark.write(f"{time.time()}")
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
        signal.pause()

    def _note_begun(self) -> None:
        with (self._directory / f"{self._title}.begun").open("a") as notes:
            notes.write(f"{time.time()}\n")


def _title_of_stage(stage_id: int, *_: object) -> tuple[str, str]:
    from pipelines.runs.models import Stage

    return Stage.objects.values_list("run__title", "name").get(pk=stage_id)


def _title_of_deploy(deploy_id: int, *_: object) -> tuple[str, str]:
    from pipelines.deploys.models import Deploy

    return Deploy.objects.values_list("release__title", flat=True).get(pk=deploy_id), ""


# Process → where its work begins → the title of the commit that it is for, and the name of the stage.
_BEGINNINGS: dict[str, dict[str, Call]] = {
    "web": {"server.scm.deliveries.receive": lambda _project, incoming, *_: (incoming.title, "")},
    "control": {
        "runners.planning.plan": lambda run: (run.title, ""),
        "pipelines.deploys.releases.release": lambda run: (run.title, ""),
    },
    "stage": {"pipelines.runs.lifecycle.claim_stage": _title_of_stage},
    "deploy": {"pipelines.deploys.lifecycle.claim_deploy": _title_of_deploy},
}


def _replace(target: str, wrap: Callable[[Call], Call]) -> None:
    """Put a wrapper in the place of `package.module.Class.method`; AttributeError when nothing is there."""
    names = target.split(".")
    for count in range(len(names) - 1, 0, -1):
        try:
            place: Any = importlib.import_module(".".join(names[:count]))
        except ModuleNotFoundError:
            continue
        for name in names[count:-1]:
            place = getattr(place, name)
        setattr(place, names[-1], wrap(getattr(place, names[-1])))
        return
    raise AttributeError(f"no module of {target} can be imported")


def process_of(command: Sequence[str]) -> str:
    """Which of the server's processes a command line (without the interpreter) is."""
    if "worker" in command:
        return command[command.index("worker") + 1]
    return "web" if "uvicorn" in command else command[-1]


def main() -> None:
    command = sys.argv[1:]
    directory = Path(os.environ["SLIPWAY_STATE_DIR"]) / "kills"
    directory.mkdir(exist_ok=True)
    django.setup()
    Trap(directory, process_of(command)).arm()
    if command[0] == "-m":
        sys.argv = command[1:]
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = command
        runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    main()
