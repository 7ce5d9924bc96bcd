"""Whatever is wrong with what people give us: a clear word where they look, and the server goes on."""

import pytest

from tests.lab import payloads
from tests.lab.images import image
from tests.lab.operator import Repo
from tests.lab.payloads import Movement
from tests.stories.works import Works

GOOD = "image: IMAGE\nstages: {test: {steps: [echo fine]}}\n"
LINE_BYTES = 100_000_000


def test_an_unknown_image_is_named_in_the_verdict(works: Works) -> None:
    works.push("image: slipway-lab/no-such-image:1\nstages: {test: {steps: ['true']}}\n")
    assert "the image slipway-lab/no-such-image:1 cannot be pulled" in _failed(works)
    _goes_on(works)


def test_an_image_without_a_shell_is_said_to_have_none(works: Works) -> None:
    bare = image("shell-less", works.scene.here.engine)
    works.push(f"image: {bare}\nstages: {{test: {{steps: ['true']}}}}\n")
    assert "shell" in _failed(works)
    _goes_on(works)


def test_a_commit_that_was_pushed_away_fails_its_run(works: Works) -> None:
    first = works.push(GOOD, "Stays")
    works.ends(1, "succeeded")
    webhook, works.repository.webhook = works.repository.webhook, None
    gone = works.push(GOOD.replace("fine", "gone"), "Vanishes", branch="side")
    works.repository.move("side", first.after)
    works.repository.forget_unreachable()
    works.repository.webhook = webhook
    works.repository.deliver("push", payloads.push(works.repository.origin, gone))
    number = 3 if works.has_run(3) else 2  # the code host may have been asked about the branch in between
    while gone.after[:7] not in works.page(number).words:
        number -= 1
    page = works.ends(number, "failed")
    assert "pushed away" in page.words


def test_a_clone_url_that_leads_nowhere_is_named(works: Works) -> None:
    nowhere = f"{works.repository.bare}-is-not-here"
    name = f"{works.name}-nowhere"
    works.scene.operator.add_project(name, Repo(nowhere, works.secret))
    moved = Movement("refs/heads/main", payloads.ZERO, "1" * 40, "From nowhere")
    works.deliver_to(name, payloads.push(works.repository.origin, moved))
    ended = works.scene.operator.await_run(name, 1)
    page = works.scene.operator.run(name, 1)
    assert ended in ("failed", "errored")
    assert nowhere in page.words


@pytest.mark.parametrize(
    ("spec", "place", "told"),
    [
        (
            "image: IMAGE\nstages:\n  a: {needs: [b], steps: ['true']}\n  b: {needs: [a], steps: ['true']}\n",
            (3, 7),
            "These stages wait for each other: a -> b -> a",
        ),
        ("image: IMAGE\nstages:\n  a:\n    stepz: ['true']\n", (4, 5), "stepz"),
        ("image: IMAGE\nstages:\n  a:\n    steps: ['true']\n    artifacts: [../etc]\n", (5, 17), "../etc"),
        ("image: [\n", (2, 1), ""),
    ],
    ids=["a cycle", "an unknown key", "an artifact outside", "no YAML"],
)
def test_a_spec_that_cannot_be_used_shows_its_line(works: Works, spec: str, place: tuple[int, int], told: str) -> None:
    works.push(spec)
    page = works.ends(1, "failed")
    assert f"line {place[0]}" in page.words.lower() or f"{place[0]}:" in page.words
    assert told in page.words
    assert ".slipway.yml has " in page.words


def test_a_link_that_leaves_the_workspace_is_no_artifact(works: Works) -> None:
    works.push("image: IMAGE\nstages: {test: {steps: [mkdir out && ln -s /etc/passwd out/users], artifacts: [out/]}}\n")
    words = _failed(works)
    assert "out/users" in words
    assert "Download" not in words
    _goes_on(works)


def test_a_line_of_a_hundred_megabytes_is_kept_whole(works: Works) -> None:
    works.push(f"image: IMAGE\nstages: {{test: {{steps: [head -c {LINE_BYTES} /dev/zero | tr '\\0' x]}}}}\n")
    page = works.ends(1, "succeeded")
    assert "95.4\xa0MB" in page.text
    log = works.log(1, "test")
    assert len(log) == LINE_BYTES
    assert log.count("x") == LINE_BYTES


def test_a_host_that_refuses_is_named_and_nothing_is_touched(works: Works) -> None:
    host = works.scene.fleet.hosts[0]
    hosts = [{"name": "web-1", "address": host.address}, {"name": "gone", "address": host.address, "port": 1}]
    operator = works.scene.operator
    operator.add_environment(
        works.name, "half", "static", {"hosts": hosts}, "fleet", automatic="on", host_key_policy="first_use"
    )
    works.push_good("1.0")
    page = works.deploy_ends(1, "failed")
    assert "gone failed" in page.words
    assert "Connection refused" in page.words
    assert works.link(host) is None


def _failed(works: Works) -> str:
    """The words of the first run's page, once it has failed."""
    return works.ends(1, "failed").words


def _goes_on(works: Works) -> None:
    works.push(GOOD)
    works.ends(2, "succeeded")
