"""`make try-compose`: the main job on the compose project, every process in a container of its own.

`python -m tests.lab.compose [CLIENT...]`; the client is `docker compose` or `docker-compose` when none is named.
Ends with status 0 only if everything held and nothing is left.
"""

import contextlib
import ipaddress
import os
import re
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from docker.errors import DockerException

from tests.lab import shops, sights
from tests.lab.acts import ACTS, PROJECT, Act, DidNotHold, Play, prepare
from tests.lab.browser import Browser
from tests.lab.cloud import cloud
from tests.lab.codehost import code_host
from tests.lab.fleet import Fleet, fleet
from tests.lab.ground import Ground, ground, sweep
from tests.lab.operator import Operator
from tests.lab.patience import until
from tests.lab.remains import MARK, remains
from tests.lab.scene import Scene
from tests.lab.slack import slack
from tests.lab.stack import WORKERS, Stack, Surroundings, build, find_client, lay_out, up

TAKEN_OVER_SECONDS = 15.0
COUNTED = 40
_COUNTING = """\
image: "@IMAGE@"
stages:
  count:
    steps:
      - for i in $(seq 1 40); do echo "counted $i"; sleep 1; done
"""


def main() -> int:
    """Play; 0 if every act held and nothing was left behind."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both signals end the play, and all is taken down
    root = tempfile.mkdtemp(prefix="slipway-compose-")
    tempfile.tempdir = os.environ["TMPDIR"] = root
    os.environ[MARK] = root
    try:
        status = _tell(sys.argv[1:] or find_client())
    finally:
        shutil.rmtree(root, ignore_errors=True)
    left = remains(root)
    _say("\n".join(f"left behind: {thing}" for thing in left) or "Nothing is left of it but the images.")
    return 1 if left else status


def _tell(client: Sequence[str]) -> int:
    try:
        with ground() as here:
            sweep(here.engine)
            _play(here, client)
    except KeyboardInterrupt:
        _say("ended before the acts were over")
        return 130
    except (RuntimeError, AssertionError, OSError, DockerException) as error:
        _say(f"did not hold: {error}")
        return 1
    return 0


def _play(here: Ground, client: Sequence[str]) -> None:
    with _scene(here, client) as (stack, scene):
        killing = Act("every worker killed with kill -9 → live all the same", partial(_kill_workers, stack))
        losing = Act(
            "the runner that performs a stage is killed → another takes it over", partial(_lose_a_runner, stack)
        )
        play = prepare(scene)
        for act in (*ACTS, killing, losing):
            _perform(act, play)
        began = time.monotonic()
    _say(f"        taken down in {time.monotonic() - began:.1f} s")


@contextlib.contextmanager
def _scene(here: Ground, client: Sequence[str]) -> Iterator[tuple[Stack, Scene]]:
    """The demo's scene, with the code host, the cloud and the chat where containers reach them."""
    with contextlib.ExitStack() as stage:
        machines = stage.enter_context(fleet(here))
        gateway = _gateway(machines)
        sky = stage.enter_context(cloud(machines.subnet, gateway))
        origin = stage.enter_context(code_host(gateway))
        chat = stage.enter_context(slack(gateway))
        origin.directory.chmod(0o755)
        settings = {"GITHUB_API": origin.url, "SLACK_TOKEN": chat.token, "SLACK_API": f"{chat.url}/api/"}
        around = Surroundings(f"slipway-{here.name}", origin.directory, settings)
        stack = lay_out(here, Path(tempfile.mkdtemp(prefix="project-")), client, around)
        _say(f"        {' '.join(client)} built the image in {build(stack):.1f} s")
        began = time.monotonic()
        running = stage.enter_context(up(stack))
        _say(f"        up and answering in {time.monotonic() - began:.1f} s")
        for host in machines.hosts:
            sky.start(host.address, {"Name": host.name, "env": "prod", "role": "web"})
        operator = Operator(Browser(running.url), "olga", secrets.token_urlsafe(9))
        operator.begin(running.setup_link)
        operator.add_credential("fleet", machines.private_key)
        try:
            yield stack, Scene(here, machines, sky, origin, chat, running, operator)
        except (RuntimeError, AssertionError, OSError):
            _say(f"what the services said last:\n{running.log[-6000:]}")
            raise


def _perform(act: Act, play: Play) -> None:
    began = time.monotonic()
    for fact in act.perform(play):
        _say(f"        {time.monotonic() - began:5.1f} s  {fact}")
    _say(f"held    {act.title}: {time.monotonic() - began:.1f} s")


def _gateway(machines: Fleet) -> str:
    """This machine's own address on the hosts' network, which containers of every network reach."""
    return str(next(ipaddress.ip_network(machines.subnet).hosts()))


def _kill_workers(stack: Stack, play: Play) -> Iterator[str]:
    """Each is started again in its container, under the same host name."""
    began = time.monotonic()
    play.repository.push(shops.good("3.0", play.image), "Reopen the shop")
    time.sleep(1)
    killed = [container for service in WORKERS for container in stack.containers(service)]
    for container in killed:
        container.exec_run(["sh", "-c", "kill -9 -1"])
    yield f"{len(killed)} workers were killed within {time.monotonic() - began:.1f} s of the push"
    operator = play.scene.operator
    ended = operator.await_run(PROJECT, 5, 120), operator.await_deploy(PROJECT, 6)
    if ended != ("succeeded", "succeeded"):
        raise DidNotHold(f"run 5 {ended[0]}, deploy 6 {ended[1]}")
    served = [sights.served(host).version for host in play.scene.fleet.hosts]
    if served != ["3.0"] * len(served):
        raise DidNotHold(f"the hosts serve {served} instead of 3.0")
    yield f"live on every host {time.monotonic() - began:.1f} s after the push"


def _lose_a_runner(stack: Stack, play: Play) -> Iterator[str]:
    """For good: it is not started again before the stage has ended."""
    files = {**shops.good("3.1", play.image), ".slipway.yml": _COUNTING.replace("@IMAGE@", play.image)}
    play.repository.push(files, "Count the stock")
    operator = play.scene.operator
    lost = until("a runner that performs the stage", partial(_performer, operator.browser, 6))
    until("the middle of its output", lambda: "counted 5" in _log(operator) or None)
    [container] = stack.containers(lost)
    began = time.monotonic()
    container.kill()
    yield f"{lost} was killed while it performed the stage"
    heir = until("another runner that performs it", lambda: _heir(operator.browser, lost))
    took = time.monotonic() - began
    if took > TAKEN_OVER_SECONDS:
        raise DidNotHold(f"{heir} took it over only after {took:.1f} s")
    yield f"{heir} performs it {took:.1f} s after the kill"
    if (ended := operator.await_run(PROJECT, 6, 120)) != "succeeded":
        raise DidNotHold(f"run 6 {ended}: {operator.run(PROJECT, 6).words[:800]}")
    counted = re.findall(r"^counted (\d+)$", _log(operator), re.M)
    if counted != [str(number) for number in range(1, COUNTED + 1)]:
        raise DidNotHold(f"its log has {len(counted)} lines of {COUNTED}: {counted}")
    yield f"run 6 succeeded, all {COUNTED} lines stand in its log, once and in their order"
    container.start()
    until(f"{lost} on the page of runners", lambda: f">{lost}<" in operator.browser.open("/runners/").text or None)


def _log(operator: Operator) -> str:
    """Of the stage that counts; empty while nothing is there."""
    page = operator.run(PROJECT, 6, "count")
    return operator.log(page) if "/logs/" in page.text else ""


def _heir(browser: Browser, lost: str) -> str | None:
    heir = _performer(browser, 6)
    return heir if heir not in (None, lost) else None


def _performer(browser: Browser, run: int) -> str | None:
    """The host whose runner performs a stage of that run, as the page of runners says it."""
    rows = re.findall(r"<tr>.*?</tr>", browser.open("/runners/").text, re.S)
    row = next((row for row in rows if f"/runs/{run}/?stage=" in row), "")
    found = re.search(r'<th scope="row" class="mono">([^:<]+):', row)
    return found[1] if found else None


def _say(words: str) -> None:
    print(words, flush=True)


if __name__ == "__main__":
    sys.exit(main())
