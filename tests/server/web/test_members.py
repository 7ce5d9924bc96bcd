"""Who is in a project: its owners see it and decide it."""

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.urls import reverse

from pipelines.audit.models import Act
from pipelines.people import teams
from pipelines.projects.models import Member, Project, Role
from server import access
from tests.factories import make_operator, make_person

pytestmark = pytest.mark.django_db


def path(project: Project) -> str:
    return f"/projects/{project.name}/people/"


@pytest.fixture
def crew() -> Group:
    team = Group.objects.create(name="crew")
    make_person("grace").groups.add(team)
    return team


def test_an_owner_lets_a_team_in_and_its_people_see_the_project(owner: Client, project: Project, crew: Group) -> None:
    grace = User.objects.get(username="grace")
    assert not access.may(grace, access.Act.VIEW, project)
    owner.post(path(project), {"team": "crew", "role": "developer"})
    assert access.role_in(grace, project) == Role.DEVELOPER
    page = owner.get(path(project)).content.decode()
    assert "grace" in page
    act = Act.objects.get(verb="let a team in")
    assert (act.subject, act.facts["role"]) == (f"crew in {project}", "developer")


def test_a_role_is_changed_and_taken_away(owner: Client, project: Project, crew: Group) -> None:
    member = Member.objects.create(project=project, team=crew, role=Role.VIEWER)
    owner.post(f"{path(project)}{member.pk}/", {"act": "change", "role": "maintainer"})
    member.refresh_from_db()
    assert member.role == Role.MAINTAINER
    owner.post(f"{path(project)}{member.pk}/", {"act": "remove"})
    assert not Member.objects.filter(pk=member.pk).exists()
    changed, removed = Act.objects.order_by("pk")
    assert (changed.verb, changed.facts["before"]) == ("changed a team's role", "viewer")
    assert removed.verb == "put a team out"


def test_the_last_team_of_owners_stays(owner: Client, project: Project) -> None:
    member = project.members.get(role=Role.OWNER)
    for form in ({"act": "remove"}, {"act": "change", "role": "viewer"}):
        owner.post(f"{path(project)}{member.pk}/", form)
        member.refresh_from_db()
        assert member.role == Role.OWNER
    assert "is the last team that owns" in owner.get(path(project)).content.decode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", [{"act": "remove"}, {"act": "change", "role": "viewer"}])
def test_of_two_teams_of_owners_that_go_at_once_the_second_is_looked_at_after_the_first(
    owner: Client, project: Project, monkeypatch: pytest.MonkeyPatch, act: dict[str, str]
) -> None:
    member, held = project.members.get(role=Role.OWNER), list[bool]()
    look = teams._check_another_owns

    def look_on(member: Member) -> None:
        held.append(connection.in_atomic_block)
        look(member)

    monkeypatch.setattr(teams, "_check_another_owns", look_on)
    owner.post(f"{path(project)}{member.pk}/", act)
    assert held == [True]


def test_who_gives_their_own_role_away_is_led_elsewhere(owner: Client, project: Project, crew: Group) -> None:
    mine = project.members.get(role=Role.OWNER)
    Member.objects.create(project=project, team=crew, role=Role.OWNER)
    assert owner.post(f"{path(project)}{mine.pk}/", {"act": "remove"})["Location"] == "/"


@pytest.mark.parametrize("form", [{"team": "nobody", "role": "viewer"}, {"team": "crew", "role": "king"}, {}])
def test_what_cannot_be_is_said(owner: Client, project: Project, crew: Group, form: dict[str, str]) -> None:
    assert owner.post(path(project), form).status_code == 400
    assert not project.members.filter(team=crew).exists()


def test_a_team_of_another_project_is_not_changed_from_here(owner: Client, project: Project, crew: Group) -> None:
    from tests.factories import make_project

    foreign = Member.objects.create(project=make_project(), team=crew, role=Role.VIEWER)
    assert owner.post(f"{path(project)}{foreign.pk}/", {"act": "change", "role": "owner"}).status_code == 404


def test_maintainers_do_not_decide_who_is_in(maintainer: Client, project: Project, crew: Group) -> None:
    assert maintainer.get(path(project)).status_code == 403
    assert maintainer.post(path(project), {"team": "crew", "role": "owner"}).status_code == 403


def test_the_page_asks_as_much_for_many_teams_as_for_few(
    owner: Client, project: Project, django_assert_max_num_queries: object
) -> None:
    for number in range(20):
        team = Group.objects.create(name=f"team {number}")
        make_person(f"person {number}").groups.add(team)
        Member.objects.create(project=project, team=team, role=Role.VIEWER)
    with django_assert_max_num_queries(14):  # type: ignore[operator]
        owner.get(path(project))


def test_operators_put_people_into_a_team_on_the_team_s_page(crew: Group) -> None:
    operator, ada, grace = Client(), make_person("ada"), User.objects.get(username="grace")
    operator.force_login(make_operator())
    address = reverse("admin:auth_group_change", args=[crew.pk])
    assert "grace" in operator.get(address).content.decode()
    operator.post(address, {"name": "crew", "people": [ada.pk]})
    assert list(crew.user_set.all()) == [ada]
    told = set(Act.objects.values_list("verb", "subject"))
    assert ("put into a team", f"ada (#{ada.pk}): crew") in told
    assert ("took out of a team", f"grace (#{grace.pk}): crew") in told
    fresh = operator.post(reverse("admin:auth_group_add"), {"name": "new crew", "people": [grace.pk]})
    assert fresh.status_code == 302
    assert list(Group.objects.get(name="new crew").user_set.all()) == [grace]
