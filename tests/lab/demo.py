"""`make demo`: the main job in four acts on real parts, then a server to look around in.

`python -m tests.lab.demo [--once]`; with --once it ends after the acts, with status 0 only if all of them held.
"""

import contextlib
import os
import re
import shutil
import signal
import sys
import tempfile
import textwrap
import time
from types import FrameType

from docker.errors import DockerException

from tests.lab.acts import ACTS, Act, Play, prepare
from tests.lab.ground import Ground, ground, sweep
from tests.lab.remains import MARK, remains
from tests.lab.scene import Scene, scene

_COMPLAINT = re.compile(r"[0-9: ,-]+ (WARNING|ERROR|CRITICAL) ")
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Play; 0 if every act held and nothing was left behind, 130 after a Ctrl-C before the acts were over."""
    _end_on_signals()
    root = tempfile.mkdtemp(prefix="slipway-demo-")
    tempfile.tempdir = os.environ["TMPDIR"] = root  # whatever anybody writes for a while is below it
    os.environ[MARK] = root
    try:
        status = _tell(once="--once" in sys.argv[1:])
    finally:
        _ignore_signals()
        shutil.rmtree(root, ignore_errors=True)
    return max(status, _look_back(root))


def _tell(*, once: bool) -> int:
    """Play in a lab of its own; what ends the play early becomes a sentence and a status."""
    try:
        with ground() as here:
            return _play(here, once=once)
    except KeyboardInterrupt:
        _say("\nended before the acts were over")
        return 130
    except (RuntimeError, AssertionError, OSError, DockerException) as error:
        _say(f"\nthe demo could not go on: {error}")
        return 1


def _play(here: Ground, *, once: bool) -> int:
    """Set the scene, perform the acts, and (unless `once`) serve until a signal comes."""
    for dead in sweep(here.engine):
        _say(f"removed what a demo or test that was killed had left: {dead}")
    _say("Slipway, its main job on real parts\n")
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        _say("starting three hosts, an EC2 API that lists them, a code host, a chat, and the server …")
        stage = stack.enter_context(scene(here))
        _say(f"{_since(began)}  they run, and the setup link made the operator {stage.operator.name}")
        play = _prepare(stage)
        held = _perform_all(play)
        if not once:
            _serve(stage)
        _ignore_signals()
        _say("\nstopping")
    return 0 if held else 1


def _prepare(stage: Scene) -> Play:
    began = time.monotonic()
    play = prepare(stage)
    keys = f"{len(stage.fleet.hosts)} host keys scanned and approved"
    _say(f"{_since(began)}  project, secrets, credential and environment set up in the admin; {keys}\n")
    return play


def _perform_all(play: Play) -> bool:
    """Whether all acts held; after one that did not, the others are not played."""
    began = time.monotonic()
    for number, act in enumerate(ACTS, 1):
        if not _perform(number, act, play):
            for later, unplayed in enumerate(ACTS[number:], number + 1):
                _say(f"Act {later}  {unplayed.title:<46}          not played")
            return False
    _say(f"All four acts held, in {time.monotonic() - began:.1f} s.")
    return True


def _perform(number: int, act: Act, play: Play) -> bool:
    began = time.monotonic()
    told = ""
    try:
        for fact in act.perform(play):
            _say(f"        {_since(began)}  {fact}")
    except (RuntimeError, AssertionError, OSError) as error:
        told = str(error)
    verdict = "did not hold" if told else "held"
    _say(f"Act {number}  {act.title:<46} {_since(began)}  {verdict}")
    if told:
        _say(textwrap.indent(textwrap.fill(told, 110), " " * 8))
        _say(textwrap.indent(_worries(play.scene), " " * 8))
    _say("")
    return not told


def _worries(stage: Scene) -> str:
    """What the server complained about, for whoever looks for the cause."""
    lines = [line for line in stage.server.log.splitlines() if _COMPLAINT.match(line) and "Not Found" not in line]
    return "\n".join(["the server's own complaints:", *lines[-12:]]) if lines else "the server complained of nothing"


def _serve(stage: Scene) -> None:
    _say(f"\nLook around:  {stage.server.url}\n     sign in:  {stage.operator.name}  {stage.operator.password}")
    _say("Ctrl-C ends the demo and removes all of it.")
    with contextlib.suppress(KeyboardInterrupt):
        while stage.server.process.poll() is None:
            time.sleep(0.5)
        _say(f"the server has ended by itself:\n{stage.server.log[-2000:]}")


def _look_back(root: str) -> int:
    """Say whether anything of the demo is still there; 1 if so."""
    left = remains(root)
    for thing in left:
        _say(f"left behind: {thing}")
    if not left:
        _say("Nothing is left of it: no container, network, volume, process or file.")
    return 1 if left else 0


def _end_on_signals() -> None:
    """The first Ctrl-C ends the play; what comes while the stage is cleared is not heard."""

    def end(_number: int, _frame: FrameType | None) -> None:
        _ignore_signals()
        raise KeyboardInterrupt

    for number in _ENDING:
        signal.signal(number, end)


def _ignore_signals() -> None:
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)


def _since(began: float) -> str:
    return f"{time.monotonic() - began:5.1f} s"


def _say(words: str) -> None:
    print(words, flush=True)


if __name__ == "__main__":
    sys.exit(main())
