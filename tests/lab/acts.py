"""The demo's four acts: what is done, and what has to be true afterwards on the hosts, in the pages and elsewhere.

Each act yields a sentence for everything that has been found true, and raises DidNotHold at the first that is not.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.lab import shops, sights
from tests.lab.codehost import Repository
from tests.lab.images import image
from tests.lab.patience import until
from tests.lab.scene import CHANNEL, Scene
from tests.lab.server import SERVER_LABEL

PROJECT, PLACE = "shop", "production"
GREETING = "welcome"


class DidNotHold(AssertionError):
    """Something of an act is not as it should be."""


@dataclass(slots=True)
class Play:
    """The scene with the shop's project in it, and what earlier acts leave for later ones."""

    scene: Scene
    repository: Repository
    image: str
    digests: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Act:
    title: str
    perform: Callable[[Play], Iterator[str]]


def prepare(scene: Scene) -> Play:
    """What an operator does once: project, secret, environment with configuration, host keys."""
    repository = scene.add_project(PROJECT)
    scene.operator.add_secret(PROJECT, "REGISTRY_TOKEN", "registry-token-of-the-shop")
    scene.add_production(PROJECT, configuration=f"SHOP_GREETING={GREETING}")
    scene.operator.add_environment_secret(PROJECT, PLACE, "TILL_KEY", "key-of-the-till-4711")
    return Play(scene, repository, image("python", scene.here.engine))


def push_to_production(play: Play) -> Iterator[str]:
    began = time.monotonic()
    sha = play.repository.push(shops.good("1.0", play.image), "Open the shop").after
    yield _run_ends(play, 1, "succeeded")
    yield _deploy_ends(play, 1, "succeeded")
    yield f"push to live took {time.monotonic() - began:.1f} s"
    play.digests[1] = _digest(play, 1)
    yield _all_serve(play, "1.0", GREETING)
    yield _all_run_what_was_built(play, 1)
    yield _page_says(play, "production runs release 1", "healthy on 3 of 3 hosts")
    yield _code_host_told(play, sha, "success")
    yield _channel_told(play, "production runs release 1, on 3 hosts")


def failing_test(play: Play) -> Iterator[str]:
    before = _links(play)
    sha = play.repository.push(shops.failing_test("1.1", play.image), "Show the best bargain").after
    yield _run_ends(play, 2, "failed")
    page = play.scene.operator.run(PROJECT, 2, "test")
    _require("FAIL: test_the_bargain_is_what_costs_least" in page.text, "the log does not show the failed test")
    yield "the run's page shows the failed test: test_the_bargain_is_what_costs_least"
    yield _code_host_told(play, sha, "failure")
    yield _channel_told(play, "run 2 failed on main")
    _require(play.scene.operator.deploy(PROJECT, 2).status == 404, "a failed run was deployed")
    _require(_links(play) == before, f"a host was touched: {before} became {_links(play)}")
    yield _all_serve(play, "1.0", GREETING) + ", untouched"


def unhealthy_release(play: Play) -> Iterator[str]:
    first, *others = play.scene.fleet.hosts
    before = _links(play)
    play.repository.push(shops.unhealthy("1.2", play.image), "Count the shelves")
    yield _run_ends(play, 3, "succeeded")
    yield _deploy_ends(play, 2, "failed", on=first.name)
    yield _deploy_ends(play, 3, "succeeded", by="itself")
    after = _links(play)
    _require(after[first.name] != before[first.name], f"{first.name} was never switched")
    for host in others:
        _require(after[host.name] == before[host.name], f"{host.name} was switched although {first.name} was unhealthy")
    yield f"only {first.name} was ever switched; {' and '.join(host.name for host in others)} were left alone"
    yield _all_serve(play, "1.0", GREETING)
    yield _all_run_what_was_built(play, 1)
    yield _page_says(play, "production runs release 1", "quarantined")
    yield _channel_told(play, "deploy 2 of release 2 failed")
    yield _channel_told(play, "production is rolled back to release 1")


def rollback_by_button(play: Play) -> Iterator[str]:
    operator = play.scene.operator
    operator.change_environment(PROJECT, PLACE, configuration="SHOP_GREETING=hello again")
    play.repository.push(shops.good("2.0", play.image), "Sell more kettles")
    yield _run_ends(play, 4, "succeeded")
    yield _deploy_ends(play, 4, "succeeded")
    yield _all_serve(play, "2.0", "hello again")
    watched_from = int(time.time())
    began = time.monotonic()
    page = operator.browser.press(operator.environment(PROJECT, PLACE), "Roll back to release 1")
    _require(page.url.endswith("/deploys/5/"), f"the button led to {page.url}: {page.words[:300]}")
    yield _deploy_ends(play, 5, "succeeded", by=operator.name)
    yield f"button to live took {time.monotonic() - began:.1f} s"
    yield _all_serve(play, "1.0", GREETING) + ": the release with its own configuration"
    yield _all_run_what_was_built(play, 1)
    _require(operator.run(PROJECT, 5).status == 404, "the rollback started a run")
    made = _containers_made_since(play, watched_from)
    _require(not made, f"the rollback made containers: {made}")
    yield "no run, no stage, no container was made for it"
    yield _page_says(play, "production runs release 1", "quarantined")
    yield _channel_told(play, "production is rolled back to release 1", times=2)


ACTS = (
    Act("push → live on 3 hosts", push_to_production),
    Act("a failing test → hosts untouched", failing_test),
    Act("an unhealthy release → rolls itself back", unhealthy_release),
    Act("a good release, then the rollback button", rollback_by_button),
)


def _require(held: bool, otherwise: str) -> None:
    if not held:
        raise DidNotHold(otherwise)


def _run_ends(play: Play, number: int, status: str) -> str:
    began = time.monotonic()
    ended = play.scene.operator.await_run(PROJECT, number)
    _require(ended == status, f"run {number} {ended}: {play.scene.operator.run(PROJECT, number).words[:800]}")
    return f"run {number} {status} after {time.monotonic() - began:.1f} s"


def _deploy_ends(play: Play, number: int, status: str, by: str = "", on: str = "") -> str:
    ended = play.scene.operator.await_deploy(PROJECT, number)
    page = play.scene.operator.deploy(PROJECT, number)
    _require(ended == status, f"deploy {number} {ended}: {page.words[:800]}")
    _require(f"Asked by {by}" in page.words, f"deploy {number} does not say “Asked by {by}”: {page.words[:600]}")
    _require(on in page.words, f"deploy {number} does not name {on}")
    kind = "rollback" if "Back to release" in page.words else "deploy"
    return " ".join(filter(None, (f"{kind} {number} {status}", by and f"asked by {by}", on and f"on {on}")))


def _all_serve(play: Play, version: str, greeting: str) -> str:
    for host in play.scene.fleet.hosts:
        home, health = sights.served(host), sights.served(host, "/healthz")
        _require(
            (home.version, home.greeting, health.status) == (version, greeting, 200),
            f"{host.name} serves {home.value}, health {health.status}, instead of {version} with “{greeting}”",
        )
    return f"{len(play.scene.fleet.hosts)} of {len(play.scene.fleet.hosts)} hosts serve {version} with “{greeting}”"


def _all_run_what_was_built(play: Play, release: int) -> str:
    wanted = play.digests[release]
    for host in play.scene.fleet.hosts:
        found = sights.digest(host)
        _require(found == wanted, f"{host.name} has digest {found} instead of {wanted}")
    return f"the digest on every host is that of release {release}: {wanted[:12]}"


def _digest(play: Play, run: int) -> str:
    """The digest of what the run's last stage keeps, as its page gives it."""
    page = play.scene.operator.run(PROJECT, run, "package")
    found = re.search(r'class="sha qq" title="([0-9a-f]{64})"', page.text)
    if found is None:
        raise DidNotHold(f"the page of run {run} shows no artifact of the stage package: {page.words[:600]}")
    return found[1]


def _page_says(play: Play, *sayings: str) -> str:
    page = play.scene.operator.environment(PROJECT, PLACE)
    for saying in sayings:
        _require(
            saying in page.words or saying in page.title, f"{page.url} does not say “{saying}”: {page.words[:800]}"
        )
    return f"the page says “{page.title.removesuffix(' · Slipway')}”"


def _code_host_told(play: Play, sha: str, state: str) -> str:
    host = play.scene.code_host
    until(f"commit status {state}", lambda: host.states(sha)[-1:] == [state], 120, lambda: host.states(sha))
    return f"the code host was told: {' → '.join(host.states(sha))}"


def _channel_told(play: Play, saying: str, times: int = 1) -> str:
    chat = play.scene.slack

    def told() -> list[str]:
        found = [text for text in chat.texts if saying in text]
        return found if len(found) == times else []

    return f"{CHANNEL} read: {until(f'“{saying}” in the channel', told, 120, lambda: chat.texts)[-1]}"


def _links(play: Play) -> dict[str, sights.Link | None]:
    return {host.name: sights.link(host) for host in play.scene.fleet.hosts}


def _containers_made_since(play: Play, moment: int) -> list[str]:
    label = f"{SERVER_LABEL}={play.scene.here.name}"
    filters = {"type": "container", "event": "create", "label": label}
    events = play.scene.here.engine.events(since=moment, until=int(time.time()) + 1, filters=filters, decode=True)
    return [event["Actor"]["Attributes"].get("name", "?") for event in events]
