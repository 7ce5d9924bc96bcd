"""Badges, build lights and calendars: what they say, to whom, and that nothing in them is more than text."""

import base64
import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pipelines.audit.models import Act
from pipelines.deploys.models import Freeze
from pipelines.feeds import lifecycle, occasions
from pipelines.feeds.models import Badge, Calendar
from pipelines.feeds.occasions import Occasion
from pipelines.people import tokens
from pipelines.people.models import Scope
from pipelines.projects.models import Project, Role
from pipelines.schedules import lifecycle as schedules
from server.web import calendars
from tests.factories import (
    make_environment,
    make_green_run,
    make_live,
    make_person,
    make_project,
    make_red_run,
    make_run,
)
from tests.server.ops import icalendar

pytestmark = pytest.mark.django_db
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def project() -> Project:
    return make_project()


def client_of(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def words(response: object) -> str:
    """What a badge says, once it is found to be a picture without anything that runs."""
    assert response.status_code == 200  # type: ignore[attr-defined]
    assert response["Content-Type"].startswith("image/svg+xml")  # type: ignore[index]
    root = ElementTree.fromstring(response.content)  # type: ignore[attr-defined]
    assert {node.tag.removeprefix(SVG) for node in root.iter()} <= {"svg", "title", "rect", "g", "text"}
    assert not [name for node in root.iter() for name in node.attrib if name.startswith("on") or "href" in name]
    return root.findtext(f"{SVG}title") or ""


def test_a_badge_tells_how_the_last_run_of_a_branch_stands(project: Project) -> None:
    make_green_run(project)
    make_red_run(project, ref="refs/heads/topic")
    viewer = client_of(make_person(project=project, role=Role.VIEWER))
    address = reverse("badge", args=[project.name])
    assert words(viewer.get(address)) == "main: succeeded"
    assert words(viewer.get(address, {"ref": "topic"})) == "topic: failed"
    assert words(viewer.get(address, {"ref": "refs/tags/v1"})) == "v1: no run"
    assert words(viewer.get(address, {"label": "build"})) == "build: succeeded"


def test_a_badge_tells_what_is_live(project: Project) -> None:
    environment = make_environment(project)
    viewer = client_of(make_person(project=project, role=Role.VIEWER))
    address = reverse("environment-badge", args=[project.name, environment.name])
    assert words(viewer.get(address)) == "production: nothing yet"
    release = make_live(environment).release
    assert words(viewer.get(address)) == f"production: release {release.number} · {release.short_sha}"


@pytest.mark.parametrize(
    "bad", ['"><script>alert(1)</script>', "</text><a href='javascript:x'>", "a\x00b\x1b\n", "&amp;"]
)
def test_what_stands_in_a_badge_s_address_is_text_in_it(project: Project, bad: str) -> None:
    lifecycle.publish(project, True, "ana (#1)")
    for name in ("ref", "label"):
        words(Client().get(reverse("badge", args=[project.name]), {name: bad}))


def test_a_badge_is_for_its_people_for_who_has_the_key_or_for_all(project: Project) -> None:
    address, key = reverse("badge", args=[project.name]), lifecycle.badge_of(project).key
    assert Client().get(address).status_code == 404
    assert Client().get(address, {"key": "guessed"}).status_code == 404
    assert Client().get(address, {"key": lifecycle.badge_of(make_project()).key}).status_code == 404
    assert Client().get(address, {"key": key}).status_code == 200
    assert Client().get(reverse("project", args=[project.name]), {"key": key}).status_code == 302
    lifecycle.change_key(project, "ana (#1)")
    assert Client().get(address, {"key": key}).status_code == 404
    lifecycle.publish(project, True, "ana (#1)")
    assert Client().get(address).status_code == 200
    assert Act.objects.filter(subject=f"badges of {project}").count() == 2


def test_a_project_whose_badges_nobody_asked_for_shows_none_to_an_empty_key(project: Project) -> None:
    assert not Badge.objects.exists()
    assert Client().get(reverse("badge", args=[project.name]), {"key": ""}).status_code == 404


def test_a_badge_that_has_not_changed_is_not_sent_again(project: Project) -> None:
    lifecycle.publish(project, True, "ana (#1)")
    address = reverse("badge", args=[project.name])
    first = Client().get(address)
    assert "max-age=60" in first["Cache-Control"]
    assert Client().get(address, headers={"if-none-match": first["ETag"]}).status_code == 304
    make_run(project)
    assert Client().get(address, headers={"if-none-match": first["ETag"]}).status_code == 200


def test_build_lights_are_told_of_each_project_that_the_token_sees(project: Project) -> None:
    make_project()
    make_green_run(project)
    failed = make_red_run(project)
    make_run(project)
    text = tokens.machine(project, Role.VIEWER, "light", [Scope.READ], None, by="ana (#1)")[1]
    basic = base64.b64encode(f"anybody:{text}".encode()).decode()
    for shown in (f"Bearer {text}", f"Basic {basic}"):
        response = Client().get("/cctray.xml", headers={"authorization": shown})
        listed = ElementTree.fromstring(response.content)
        assert [one.attrib["name"] for one in listed] == [project.name]
        told = listed[0].attrib
        assert (told["activity"], told["lastBuildStatus"]) == ("Building", "Failure")
        assert told["lastBuildLabel"] == str(failed.number)
        assert told["webUrl"].endswith(f"/projects/{project.name}/")


@pytest.mark.parametrize("shown", ["", "Bearer slip_no-such-token", "Basic !!!", "Basic c2xpcA==", "Digest x"])
def test_build_lights_without_a_good_token_are_asked_for_one(shown: str) -> None:
    response = Client().get("/cctray.xml", headers={"authorization": shown} if shown else {})
    assert (response.status_code, response["WWW-Authenticate"][:5]) == (401, "Basic")


def test_build_lights_ask_as_often_for_many_projects_as_for_few(django_assert_max_num_queries: object) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("olga"))
    for _ in range(5):
        make_red_run()
    with django_assert_max_num_queries(6):  # type: ignore[operator]
        assert client.get("/cctray.xml").status_code == 200


def test_a_calendar_has_schedules_and_freezes_and_can_be_read_by_a_strict_reader(project: Project) -> None:
    person = make_person(project=project, role=Role.VIEWER)
    nightly = schedules.make(project, "nightly", "30 2 * * *", "Europe/Berlin", "", {}, "ana (#1)")
    name = "Größe; Ruhe, bitte \\ und eine sehr lange Zeile, die umgebrochen werden muss, weil sie zu lang ist"
    Freeze.objects.create(project=project, name=name, weekly_from="fri 16:00", weekly_until="mon 07:00")
    made = lifecycle.make_calendar(person, project, "ana (#1)")
    response = Client().get(reverse("calendar", args=[made.key]))
    assert response["Content-Type"] == "text/calendar; charset=utf-8"
    events = icalendar.events(response.content)
    times = [event for event in events if event["UID"].startswith(f"schedule-{nightly.pk}-")]
    frozen = [event for event in events if event["UID"].startswith("freeze-")]
    assert 27 <= len(times) <= 29
    assert icalendar.moment(times[0]["DTSTART"]) == nightly.next_at
    assert frozen[0]["SUMMARY"] == f"No deploys to {project}: {name}"
    length = icalendar.moment(frozen[0]["DTEND"]) - icalendar.moment(frozen[0]["DTSTART"])
    assert length == timedelta(days=2, hours=15)
    assert len({event["UID"] for event in events}) == len(events)


def test_a_calendar_keeps_its_ids_and_times_when_it_is_asked_again(project: Project) -> None:
    schedules.make(project, "nightly", "30 2 * * *", "UTC", "", {}, "ana (#1)")
    now = datetime(2026, 3, 28, 12, tzinfo=UTC)
    first = occasions.coming([project], now)
    later = occasions.coming([project], now + timedelta(hours=1))
    assert first[:27] == later[:27]


def test_a_schedule_of_each_minute_fills_no_calendar(project: Project) -> None:
    schedules.make(project, "busy", "* * * * *", "UTC", "", {}, "ana (#1)")
    assert len(occasions.coming([project], timezone.now())) == occasions.TIMES_MAX


def test_no_line_of_a_calendar_can_be_made_by_a_name() -> None:
    at = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    bad = Occasion("u-1", "", "x\r\nEND:VEVENT\r\nBEGIN:VALARM", "a\nb", at)
    event = icalendar.events(calendars.written("c\r\nX:1", [bad], at).encode())[0]
    assert event["SUMMARY"] == "x\nEND:VEVENT\nBEGIN:VALARM"
    assert event["DESCRIPTION"] == "a\nb"


def test_a_calendar_ends_with_its_key_its_person_and_their_role(project: Project) -> None:
    person = make_person(project=project, role=Role.VIEWER)
    first = lifecycle.make_calendar(person, project, "ana (#1)")
    second = lifecycle.make_calendar(person, project, "ana (#1)")
    assert Client().get(reverse("calendar", args=[first.key])).status_code == 404
    assert Client().get(reverse("calendar", args=[second.key])).status_code == 200
    person.groups.clear()
    assert Client().get(reverse("calendar", args=[second.key])).status_code == 404
    everything = lifecycle.make_calendar(person, None, "ana (#1)")
    assert icalendar.events(Client().get(reverse("calendar", args=[everything.key])).content) == []
    User.objects.filter(pk=person.pk).update(is_active=False)
    assert Client().get(reverse("calendar", args=[everything.key])).status_code == 404


def test_the_page_gives_each_their_own_addresses_and_owners_the_key(project: Project) -> None:
    viewer, owner = (make_person(project=project, role=role) for role in (Role.VIEWER, Role.OWNER))
    address, key = reverse("feeds", args=[project.name]), lifecycle.badge_of(project).key
    assert key not in client_of(viewer).get(address).content.decode()
    assert key in client_of(owner).get(address).content.decode()
    assert client_of(viewer).post(address, {"act": "publish"}).status_code == 403
    client_of(viewer).post(address, {"act": "calendar"})
    mine = Calendar.objects.get(person=viewer)
    assert mine.key in client_of(viewer).get(address).content.decode()
    assert mine.key not in client_of(owner).get(address).content.decode()
    client_of(viewer).post(address, {"act": "revoke"})
    assert Client().get(reverse("calendar", args=[mine.key])).status_code == 404
    client_of(owner).post(address, {"act": "publish"})
    assert re.search("Everybody who knows", client_of(owner).get(address).content.decode())


def test_a_key_lies_encrypted_in_the_database(project: Project) -> None:
    from django.db import connection

    badge = lifecycle.badge_of(project)
    with connection.cursor() as cursor:
        cursor.execute("SELECT key FROM feeds_badge")
        assert badge.key not in cursor.fetchone()[0]
