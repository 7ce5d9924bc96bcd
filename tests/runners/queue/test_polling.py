"""Code hosts are asked for their refs: real repositories, one that is not there, one that hangs."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from pipelines.projects.models import Project
from pipelines.runs.models import Poll
from pipelines.runs.polling import trouble
from pipelines.states import leases
from runners.checkout.storage import locked
from runners.planning import mirror_of
from runners.queue import polling
from tests.factories import make_project
from tests.lab.codehost import CodeHost, Repository
from tests.rivals import race
from tests.runners.queue.waiting import until

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _mirrors(settings: Settings, tmp_path: Path) -> None:
    settings.SLIPWAY_MIRRORS_DIR = tmp_path / "mirrors"


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    """An empty repository that announces nothing."""
    return CodeHost(tmp_path / "host").create("ada/shop")


@pytest.fixture
def project(shop: Repository) -> Project:
    return make_project(clone_url=str(shop.bare))


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A code host that takes connections and says nothing, until it is closed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def hanging(silent: socket.socket) -> Project:
    return make_project(clone_url=f"https://127.0.0.1:{silent.getsockname()[1]}/ada/shop.git")


def _ask() -> None:
    """Ask all projects, whether it is time to or not."""
    Poll.objects.update(due_at=leases.until(-1))
    polling.poll_due(threading.Event())


def test_the_first_push_to_an_empty_repository_is_found(project: Project, shop: Repository) -> None:
    _ask()
    pushed = shop.push({"file": "text"}, "The first")
    _ask()
    _ask()
    assert [(run.ref, run.sha) for run in project.runs.all()] == [("refs/heads/main", pushed.after)]


def test_what_was_there_before_the_first_look_is_history(project: Project, shop: Repository) -> None:
    shop.push({"file": "text"}, "Long ago")
    _ask()
    assert not project.runs.exists()
    shop.push({"file": "another"}, "Now")
    _ask()
    assert project.runs.count() == 1


def test_why_a_code_host_cannot_be_asked_is_kept_until_it_answers(project: Project, shop: Repository) -> None:
    elsewhere = shop.bare.rename(shop.bare.with_name("elsewhere"))
    _ask()
    assert str(shop.bare) in trouble(project)
    elsewhere.rename(shop.bare)
    _ask()
    assert trouble(project) == ""


def test_a_code_host_that_hangs_is_given_up_soon(hanging: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "DEADLINE_SECONDS", 3.0)
    _ask()
    assert "did not answer within 3 seconds" in trouble(hanging)


def test_what_breaks_in_our_own_hands_is_told_too(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_project: Project) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(polling, "mirror_of", breaks)
    _ask()
    assert trouble(project) == "ZeroDivisionError: division by zero"


def test_each_is_asked_again_after_as_long_as_the_settings_say(project: Project, settings: Settings) -> None:
    settings.SLIPWAY_POLL_SECONDS = 1000
    _ask()
    assert 800 < (Poll.objects.get(project=project).due_at - timezone.now()).total_seconds() < 1001


def test_nobody_who_fetches_is_waited_for(project: Project) -> None:
    _ask()
    with locked(mirror_of(project).path):
        _ask()
    assert trouble(project) == ""


def test_who_has_been_told_to_end_asks_nobody(project: Project) -> None:
    stop = threading.Event()
    stop.set()
    polling.poll_due(stop)
    assert not Poll.objects.filter(project=project).exists()


@pytest.mark.django_db(transaction=True)
def test_while_one_hangs_the_others_are_asked(
    hanging: Project, silent: socket.socket, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "DEADLINE_SECONDS", 600.0)

    def ask_or_look(number: int) -> bool:
        if number < 2:
            polling.poll_due(threading.Event())
            return True
        try:
            return until(lambda: Poll.objects.filter(project=project).exclude(looked_at=None).exists())
        finally:
            silent.close()  # and so the one that hangs ends

    assert race(3, ask_or_look)[2] is True
    assert trouble(hanging) != ""
    assert Poll.objects.get(project=hanging).fence == 1
