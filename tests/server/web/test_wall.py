"""The wall: what is broken first, for whom, and how a screen comes to it without a sign-in."""

import re

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from pipelines.deploys.models import Host
from pipelines.projects.models import Project, Role
from pipelines.screens.models import Screen
from pipelines.states.status import Status
from server.live.screens import KEY_COOKIE, SECRET_COOKIE
from tests.factories import (
    begin_deploy,
    finish_deploy,
    list_hosts,
    make_deploy,
    make_environment,
    make_green_run,
    make_live,
    make_operator,
    make_person,
    make_project,
    make_red_run,
    make_run,
    start_stage,
)
from tests.server.web.test_how_much_pages_ask import grows_not

pytestmark = pytest.mark.django_db


def look(client: Client) -> str:
    return client.get("/wall/").content.decode()


def code_on(screen: Client) -> str:
    return "".join(re.findall(r"<b>([2-9A-Z]{4})</b>", look(screen)))


def pair(person: User, screen: Client, **form: object) -> HttpResponse:
    client = Client()
    client.force_login(person)
    return client.post(reverse("screens"), {"code": code_on(screen), "name": "kitchen", "which": "all", **form})  # type: ignore[return-value]


def test_a_browser_that_nobody_knows_is_shown_a_code_and_no_record_is_made_of_it(project: Project) -> None:
    screen = Client()
    assert len(code_on(screen)) == 8
    assert project.name not in look(screen)
    assert not Screen.objects.exists()
    assert code_on(screen) == code_on(screen) != code_on(Client())


def test_a_screen_that_was_paired_shows_the_wall_without_a_sign_in() -> None:
    shop, owner = make_project("shop"), make_person()
    make_green_run(shop)
    shop.members.create(team=owner.groups.create(name="owners"), role=Role.OWNER)
    screen = Client()
    assert pair(owner, screen).status_code == 302
    look(screen)  # it comes for its key
    assert 'data-state="wall"' in look(screen)
    assert '<b class="clip">shop</b>' in look(screen)
    assert SECRET_COOKIE not in {name for name, kept in screen.cookies.items() if kept.value}


def test_the_key_is_sent_to_the_wall_alone_and_read_by_no_script(project: Project) -> None:
    screen = Client()
    pair(make_operator(), screen)
    look(screen)
    cookie = screen.cookies[KEY_COOKIE]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == ("/wall", True, "Lax")


def test_the_key_opens_no_other_page(project: Project) -> None:
    screen = Client()
    pair(make_operator(), screen)
    look(screen)
    key = screen.cookies[KEY_COOKIE].value
    anybody = Client()
    anybody.cookies[KEY_COOKIE] = key  # as if the browser sent it everywhere
    for address in ("/", f"/projects/{project.name}/", "/queue/", "/screens/", "/account/"):
        assert anybody.get(address)["Location"].startswith("/sign-in/")
    assert anybody.post("/wall/").status_code == 405


def test_a_screen_shows_no_project_that_was_not_chosen_or_is_no_longer_owned() -> None:
    person, screen = make_person(), Client()
    shop, ledger = make_project("shop"), make_project("ledger")
    team = person.groups.create(name="owners")
    for project in (shop, ledger):
        make_red_run(project)
        project.members.create(team=team, role=Role.OWNER)
    pair(person, screen, which="chosen", project=[shop.pk])
    look(screen)
    assert "shop" in look(screen)
    assert "ledger" not in look(screen)
    shop.members.update(role=Role.VIEWER)
    assert "shop" not in look(screen)


def test_who_owns_nothing_pairs_nothing(project: Project) -> None:
    screen = Client()
    assert pair(make_person(project=project, role=Role.MAINTAINER), screen).status_code == 403
    assert pair(make_person(project=project, role=Role.OWNER), screen, code="what").status_code == 422
    assert not Screen.objects.exists()


def test_a_project_that_one_does_not_own_cannot_be_chosen(project: Project) -> None:
    other, screen = make_project("other"), Client()
    person = make_person(project=project, role=Role.OWNER)
    answer = pair(person, screen, which="chosen", project=[other.pk])
    assert answer.status_code == 422
    assert not Screen.objects.exists()


def test_a_revoked_screen_shows_a_code_again_and_nothing_else(project: Project) -> None:
    person, screen = make_person(project=project, role=Role.OWNER), Client()
    pair(person, screen)
    look(screen)
    client = Client()
    client.force_login(person)
    client.post(reverse("screen-revoke", args=[Screen.objects.get().pk]))
    assert 'data-state="asks"' in look(screen)
    assert project.name not in look(screen)


def test_signing_out_leaves_nothing_on_the_wall(operator: Client, project: Project) -> None:
    make_red_run(project)
    assert project.name in look(operator)
    operator.logout()
    assert project.name not in look(operator)


def test_what_is_broken_in_production_comes_first_then_by_name(operator: Client) -> None:
    make_red_run(make_project("alpha"))
    shop = make_project("shop")
    production = make_environment(shop, is_production=True)
    finish_deploy(make_deploy(production), Status.FAILED, "web-1 answers 503")
    text = look(operator)
    assert '<h1 id="w-title">2 things are broken</h1>' in text
    assert text.index("<b>shop production</b>") < text.index("<b>alpha</b>")
    assert "web-1 answers 503" in text


def test_hosts_that_are_not_well_are_broken_too(operator: Client) -> None:
    production = make_environment(make_project("shop"))
    list_hosts(production, ["web-1", "web-2", "web-3"])
    Host.objects.exclude(name="web-1").update(healthy=False, health_detail="answers 503")
    assert "web-2 answers 503, 1 other too" in look(operator)


def test_what_is_fine_under_way_and_in_production_is_there(operator: Client) -> None:
    shop = make_project("shop")
    make_live(make_environment(shop, is_production=True))
    start_stage(make_run(make_project("ledger")), "build")
    text = look(operator)
    assert "Nothing is broken" in text
    assert "Fine, 1 project; 1 without a run" in text
    assert "main, build" in text
    assert "<b>1</b>" in text


def test_it_asks_as_often_for_many_projects_as_for_few(operator: Client) -> None:
    def more() -> None:
        for _ in range(3):
            project = make_project()
            environment = make_environment(project, is_production=True)
            make_live(environment)
            make_red_run(project)
            make_run(project)
            begin_deploy(make_deploy(environment))
            finish_deploy(make_deploy(make_environment(project, "staging")), Status.FAILED, "no")
            Host.objects.filter(environment=environment).update(healthy=False)

    more()
    grows_not(operator, "/wall/", more, 30)
