"""What a host says of itself in one script, and how it differs from the record; on a real host."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from runners.hosts.health import HealthCheck
from runners.hosts.scripts import reading
from runners.hosts.scripts.commands import MANIFEST
from runners.hosts.scripts.engines import Running
from runners.hosts.scripts.layout import Layout
from runners.hosts.scripts.reading import Expected, Reading
from runners.hosts.ssh.connection import Connection, capture
from tests.lab.sshd import Sshd

LAYOUT = Layout("/srv/shop")
DIGEST = "a" * 64
EXPECTED = Expected(release=7, digest=DIGEST, fence=3)


def place(root: Path) -> Path:
    """A release as a deploy leaves it; gives its directory."""
    release = root / "shop/releases/7"
    release.mkdir(parents=True, exist_ok=True)
    (release / "app.py").write_text("print(1)\n")
    (release / ".slipway-digest").write_text(DIGEST + "\n")
    (release / ".env").write_text("A=1\n")
    (release / MANIFEST).write_text(f"{hashlib.sha256(b'print(1)' + bytes([10])).hexdigest()}  ./app.py\n")
    (root / "shop/current").unlink(missing_ok=True)
    (root / "shop/current").symlink_to("releases/7")
    (root / "shop/.slipway-lock/3").mkdir(parents=True, exist_ok=True)
    (root / "shop/.slipway-release").write_text(f"release=7\ndigest={DIGEST}\ndeploy=1\nfence=3\nstep=healthy\n")
    return release


def read(connection: Connection, question: HealthCheck | None = None) -> Reading:
    result, text = capture(connection, reading.script(LAYOUT, 7, question, "mark-1"), deadline_seconds=60)
    assert result.succeeded
    return reading.parse(text, "mark-1")


def details(found: Reading, expected: Expected = EXPECTED) -> list[tuple[str, str]]:
    return [(one["what"], one["detail"]) for one in reading.differences(expected, found)]


def test_a_host_as_a_deploy_left_it_does_not_differ(connection: Connection, sshd: Sshd) -> None:
    place(sshd.root)
    found = read(connection)
    digest = hashlib.sha256(b"A=1\n").hexdigest()
    assert details(found, replace(EXPECTED, environment=digest)) == []
    assert found.facts["kernel"]
    assert found.facts["os"]
    assert not found.is_blank


def test_a_touched_and_a_removed_file_are_named(connection: Connection, sshd: Sshd) -> None:
    release = place(sshd.root)
    (release / "app.py").write_text("print(2)\n")
    assert details(read(connection)) == [("file", "app.py was changed or removed")]
    (release / "app.py").unlink()
    assert details(read(connection)) == [("file", "app.py was changed or removed")]


def test_an_edited_configuration_is_named(connection: Connection, sshd: Sshd) -> None:
    release = place(sshd.root)
    expected = replace(EXPECTED, environment=hashlib.sha256(b"A=1\n").hexdigest())
    (release / ".env").write_text("A=2\n")
    said = "the configuration file .env is not what was deployed"
    assert details(read(connection), expected) == [("configuration", said)]
    (release / ".env").unlink()
    assert details(read(connection), expected) == [("configuration", "the configuration file .env is missing")]


def test_another_release_digest_marker_or_fence_is_named(connection: Connection, sshd: Sshd) -> None:
    place(sshd.root)
    found = read(connection)
    assert [what for what, _ in details(found, replace(EXPECTED, release=8))] == ["release", "marker"]
    assert [what for what, _ in details(found, replace(EXPECTED, digest="b" * 64))] == ["digest", "marker"]
    assert [what for what, _ in details(found, replace(EXPECTED, fence=2))] == ["fence"]
    (sshd.root / "shop/.slipway-release").unlink()
    assert [what for what, _ in details(read(connection))] == ["marker"]


def test_the_question_for_health_is_asked_once_and_timed(connection: Connection, sshd: Sshd) -> None:
    place(sshd.root)
    good = read(connection, HealthCheck(command="echo fine; sleep 0.2")).health
    bad = read(connection, HealthCheck(command="echo broken; exit 3")).health
    assert good is not None
    assert bad is not None
    assert (good.good, good.detail) == (True, "fine")
    assert good.answer_ms is not None
    assert 150 <= good.answer_ms < 5000
    assert (bad.good, bad.detail) == (False, "broken")


def test_a_host_that_was_never_deployed_to_is_blank(connection: Connection) -> None:
    _, text = capture(connection, reading.script(Layout("/srv/none"), 7, None, "mark-1"), deadline_seconds=60)
    assert reading.parse(text, "mark-1").is_blank


@pytest.mark.parametrize(
    ("container", "what"),
    [
        (None, "container"),
        (Running("shop-1", 8000, DIGEST, is_up=False), "container"),
        (Running("shop-1", 8000, "b" * 64, is_up=True), "image"),
    ],
)
def test_a_container_that_is_not_the_releases_is_named(
    connection: Connection, sshd: Sshd, container: Running | None, what: str
) -> None:
    place(sshd.root)
    found = replace(read(connection), container=container)
    assert [one for one, _ in details(found, replace(EXPECTED, has_container=True))] == [what]


def test_half_of_what_a_host_says_is_read_as_far_as_it_goes(connection: Connection, sshd: Sshd) -> None:
    place(sshd.root)
    _, text = capture(connection, reading.script(LAYOUT, 7, HealthCheck(command="true"), "mark-1"), deadline_seconds=60)
    cut = text[: text.index("mark-1 health") + len("mark-1 health\n")] + "at=1.0\n"
    found = reading.parse(cut, "mark-1")
    assert details(found) == []
    assert found.health is not None
    assert not found.health.good
