"""An environment's page: its queue, locks and freezes, hosts and rules, and what its buttons do."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pipelines.audit.models import Act
from pipelines.deploys import locks, queue, releases
from pipelines.deploys.models import Deploy, DeployKind, Environment, Freeze, Host, Lock, LockLevel
from pipelines.projects.models import Project
from pipelines.states.status import Status
from tests.factories import configure, make_deploy, make_environment, make_live, make_release

pytestmark = pytest.mark.django_db


@pytest.fixture
def production(project: Project) -> Environment:
    """Release 1 is live."""
    environment = make_environment(project)
    make_live(environment)
    return environment


def page(client: Client, environment: Environment) -> str:
    return client.get(reverse("environment", args=[environment.project.name, environment.name])).content.decode()


def press(client: Client, environment: Environment, act: str, **form: object) -> str:
    address = reverse(act, args=[environment.project.name, environment.name])
    text = client.post(address, form, follow=True).content.decode()
    environment.refresh_from_db()
    return text


def test_a_lock_is_taken_with_a_reason_and_an_end(maintainer: Client, production: Environment) -> None:
    text = press(maintainer, production, "environment-lock", why="printers", level="stop", seconds="3600")
    lock = Lock.objects.get()
    assert (lock.environment, lock.level, lock.reason) == (production, LockLevel.STOP, "printers")
    assert lock.person is not None
    assert lock.expires_at is not None
    assert timedelta(minutes=59) < lock.expires_at - timezone.now() <= timedelta(hours=1)
    assert "nothing is deployed but by who took it" in text
    assert "printers" in text


def test_a_lock_without_a_reason_is_not_taken(maintainer: Client, production: Environment) -> None:
    text = press(maintainer, production, "environment-lock", why="  ", level="stop", seconds="0")
    assert "Not done: A lock needs a reason" in text
    assert not Lock.objects.exists()


def test_somebody_else_s_lock_is_released_with_a_reason(maintainer: Client, production: Environment) -> None:
    lock = locks.take(production, None, "ada (#999)", "printers")
    assert "People are told" in page(maintainer, production)
    assert "will ask why" in press(maintainer, production, "environment-unlock", lock=lock.pk)
    assert locks.held(production) == [lock]
    press(maintainer, production, "environment-unlock", lock=lock.pk, why="they work again")
    assert locks.held(production) == []
    assert Act.objects.filter(verb="unlocked").exists()


def test_a_lock_of_the_whole_server_is_shown_and_not_released_here(maintainer: Client, production: Environment) -> None:
    lock = locks.take(None, None, "ada (#1)", "the database moves")
    text = page(maintainer, production)
    assert "for the whole server" in text
    address = reverse("environment-unlock", args=[production.project.name, production.name])
    assert maintainer.post(address, {"lock": lock.pk}).status_code == 404
    assert locks.held(production) == [lock]


def test_freezes_are_shown_on_their_own_clocks(viewer: Client, production: Environment) -> None:
    now = timezone.now()
    fields = {"environment": production, "timezone": "Asia/Tokyo"}
    Freeze.objects.create(name="Fair", starts_at=now - timedelta(hours=1), ends_at=now + timedelta(hours=1), **fields)
    Freeze.objects.create(name="Feast", starts_at=now + timedelta(days=1), ends_at=now + timedelta(days=2), **fields)
    text = page(viewer, production)
    assert "<b>Frozen</b>: Fair" in text
    assert "Freeze: Feast" in text
    assert "JST" in text


def test_the_queue_is_paused_and_resumed_with_its_reason_on_the_page(
    maintainer: Client, production: Environment
) -> None:
    waiting = make_deploy(production)
    queue.pause(production, "ada (#999)", "the printers burn")
    assert "Not done" in press(maintainer, production, "queue-resume")
    press(maintainer, production, "queue-resume", why="the fire is out")
    text = press(maintainer, production, "queue-pause", why="the printers burn")
    assert "the printers burn" in text
    waiting.refresh_from_db()
    assert waiting.status == Status.BLOCKED
    press(maintainer, production, "queue-resume")
    waiting.refresh_from_db()
    assert waiting.status == Status.QUEUED


def test_a_deploy_goes_first_with_a_reason(maintainer: Client, production: Environment) -> None:
    first, second = make_deploy(production), make_deploy(production)
    assert "Go first" in page(maintainer, production)
    assert "Not done" in press(maintainer, production, "queue-first", deploy=second.number, why="")
    press(maintainer, production, "queue-first", deploy=second.number, why="a hot fix")
    assert [place.deploy for place in queue.places(production)] == [second, first]


def test_a_waiting_deploy_is_withdrawn_from_the_queue(maintainer: Client, production: Environment) -> None:
    waiting = make_deploy(production)
    press(maintainer, production, "queue-withdraw", deploy=waiting.number)
    waiting.refresh_from_db()
    assert waiting.status == Status.CANCELLED


def test_everything_that_waits_says_why(viewer: Client, production: Environment) -> None:
    locks.take(production, None, "ada (#1)", "printers")
    make_deploy(production, actor="bob (#2)")
    queue.settle(production.pk)
    assert "locked by ada (#1): printers" in page(viewer, production)


def test_a_deploy_anyway_needs_an_owner_and_is_written_down(
    maintainer: Client, owner: Client, production: Environment
) -> None:
    locks.take(production, None, "ada (#1)", "printers")
    release = make_release(production.project)
    form = {"release": release.number, "override": "the shop is down"}
    address = reverse("environment-deploy", args=[production.project.name, production.name])
    assert maintainer.post(address, form).status_code == 403
    owner.post(address, form)
    deploy = Deploy.objects.latest("pk")
    assert (deploy.status, deploy.override) == (Status.QUEUED, "the shop is down")
    assert Act.objects.filter(verb="overrode").exists()


def test_a_locked_rollback_says_so_before_it_is_pressed(owner: Client, production: Environment) -> None:
    make_live(production)
    locks.take(production, None, "ada (#1)", "printers")
    text = page(owner, production)
    assert "Roll back all the same" in text
    press(owner, production, "roll-back", release=1, live=2, override="it is broken")
    assert Deploy.objects.latest("pk").status == Status.QUEUED


def test_hosts_that_are_unwell_or_drifted_are_named_with_the_reason(viewer: Client, production: Environment) -> None:
    Host.objects.filter(name="web-1").update(healthy=False, health_detail="answers 503", checked_at=timezone.now())
    Host.objects.filter(name="web-2").update(drift=[{"what": "/etc/shop.conf", "detail": "changed"}])
    text = page(viewer, production)
    assert "production runs release 1, one host is unhealthy, one host has drifted" in text
    assert "web-1 is unhealthy: answers 503." in text
    assert "web-2 differs from the record:" in text
    assert "/etc/shop.conf (changed)" in text


def test_the_band_of_each_host_says_which_release_it_ran(viewer: Client, production: Environment) -> None:
    make_live(production)
    text = page(viewer, production)
    assert 'aria-label="web-1: release 1 for less than an hour, release 2 for less than an hour"' in text


def test_versions_of_the_configuration_are_shown_with_what_changed(viewer: Client, production: Environment) -> None:
    configure(production, {"WORKERS": "4"})
    configure(production, {"WORKERS": "6", "CURRENCY": "EUR"})
    text = page(viewer, production)
    assert "− WORKERS=4" in text
    assert "+ WORKERS=6" in text
    assert "version 3" in text


def test_a_viewer_sees_the_buttons_disabled_with_the_reason(viewer: Client, production: Environment) -> None:
    text = page(viewer, production)
    assert "to lock an environment or order its queue takes the role maintainer" in text
    address = reverse("queue-pause", args=[production.project.name, production.name])
    assert viewer.post(address, {"why": "x"}).status_code == 403


def test_a_drifted_host_is_put_right_by_its_button(
    maintainer: Client, developer: Client, production: Environment
) -> None:
    drift = [{"what": "file", "detail": "app.py was changed or removed"}]
    Host.objects.filter(name="web-1").update(drift=drift)
    assert "app.py was changed or removed" in page(developer, production)
    assert "Put it right" not in page(developer, production)
    assert "Put it right" in page(maintainer, production)
    press(maintainer, production, "environment-repair", host="web-1")
    repair = Deploy.objects.get(kind=DeployKind.REPAIR)
    assert (repair.only, repair.release) == (["web-1"], production.current)
    press(maintainer, production, "environment-repair")  # all that differ: the same, once
    assert Deploy.objects.filter(kind=DeployKind.REPAIR).count() == 1


def test_a_quarantine_is_lifted_from_the_history_with_a_reason(maintainer: Client, production: Environment) -> None:
    bad = make_release(production.project)
    releases.quarantine(bad, "checkout was down")
    text = page(maintainer, production)
    assert "Checkout was down." in text
    assert "Let release 2 be deployed again" in text
    address = reverse("release-lift", args=[production.project.name, production.name, bad.number])
    assert "Not done: Who comes next will ask why" in maintainer.post(address, follow=True).content.decode()
    text = maintainer.post(address, {"why": "it was the printer"}, follow=True).content.decode()
    assert "be deployed again" not in text
    assert "Deploy release 2 to production" in text
    bad.refresh_from_db()
    assert bad.quarantined_at is None
    assert Act.objects.get(verb="lifted the quarantine").reason == "it was the printer"
    text = maintainer.post(address, {"why": "again"}, follow=True).content.decode()
    assert "Not done: release 2 is not quarantined" in text


def test_a_developer_reads_why_a_release_is_quarantined_and_cannot_lift_it(
    developer: Client, production: Environment
) -> None:
    releases.quarantine(make_release(production.project), "checkout was down")
    text = page(developer, production)
    assert "Checkout was down." in text
    assert "to lift a quarantine takes the role maintainer" in text
    assert "Let release 2 be deployed again" not in text


def test_a_host_that_is_not_like_the_others_is_named_with_what_differs(viewer: Client, production: Environment) -> None:
    for host, kernel in zip(production.hosts.order_by("name"), ("6.5", "6.1"), strict=True):
        Host.objects.filter(pk=host.pk).update(facts={"kernel": kernel}, inspected_at=timezone.now())
    text = page(viewer, production)
    assert "web-2 differs:</b> kernel 6.1 against 6.5 on the others" in text
