"""The operator's story: the first start, and the night when production is broken."""

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from pipelines.deploys.models import Deploy, DeployKind, Release
from pipelines.projects.models import Role
from server.web.setup import setup_link
from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor
from tests.factories import configure, join, make_environment, make_live, make_person, make_project, make_release

PRODUCTION = "/projects/shop/environments/production/"


@pytest.fixture
def releases() -> tuple[Release, Release]:
    """What ran well in production, and what has replaced it."""
    environment = make_environment(make_project("shop"), "production")
    configure(environment, {"WORKERS": "6"})
    good = make_release(environment.project, author="dana", title="Index orders")
    make_live(environment, good)
    configure(environment, {"WORKERS": "8"})
    bad = make_release(environment.project, author="bob", title="Log slow queries")
    return good, make_live(environment, bad).release


def test_the_first_start_makes_an_operator_once_and_they_roll_back(
    visitor: Visitor, releases: tuple[Release, Release]
) -> None:
    page = visitor.page
    _become_operator(visitor)
    _sign_out_and_in(visitor)
    visitor.open(PRODUCTION)
    good, bad = releases
    expect(page.get_by_role("heading", level=1)).to_have_text(f"production runs release {bad.number}")
    _tells_what_will_change(page, good, bad)
    page.get_by_role("button", name=f"Roll back to release {good.number}").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"Back to release {good.number} → production")
    expect(page.locator("#facts")).to_contain_text("queued")
    expect(page.locator("#facts")).to_contain_text("olga")
    made = Deploy.objects.get(kind=DeployKind.ROLLBACK)
    assert (made.release, made.status, made.configuration.values) == (good, "queued", {"WORKERS": "6"})


def _become_operator(visitor: Visitor) -> None:
    link = setup_link()
    assert link is not None
    path = link.removeprefix(settings.SLIPWAY_URL)
    visitor.open(path)
    visitor.page.get_by_label("Username").fill("olga")
    visitor.page.get_by_label("Password", exact=True).fill("long enough 1")
    visitor.page.get_by_label("Password confirmation").fill("long enough 1")
    visitor.page.get_by_role("button", name="Create the operator").click()
    expect(visitor.page.locator("summary.who")).to_be_visible()
    assert User.objects.get().is_superuser
    assert visitor.open(path).status == 410, "the link works once"
    visitor.expects("status of 410")


def _sign_out_and_in(visitor: Visitor) -> None:
    page = visitor.page
    visitor.open("/")
    page.locator("summary.who").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Name").fill("olga")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#pe")).to_have_text("That name and password do not belong together. 4 tries left.")
    page.get_by_label("Password").fill("long enough 1")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("summary.who")).to_be_visible()


def _tells_what_will_change(page: Page, good: Release, bad: Release) -> None:
    """Which release, of whom, what goes, which values change, and what becomes of the bad one."""
    told = page.locator("#rollback")
    for words in (
        good.short_sha,
        "by dana",
        "2 hosts, no build",
        f"− {bad.short_sha} Log slow queries",
        "− WORKERS=8 + WORKERS=6",
        f"{bad.number} is quarantined",
    ):
        expect(told).to_contain_text(words)


def test_a_developer_sees_the_button_and_why_it_is_not_theirs(
    visitor: Visitor, releases: tuple[Release, Release]
) -> None:
    good, _ = releases
    developer = make_person("bob")
    join(developer, good.project, Role.DEVELOPER)
    visitor.signs_in_as(developer)
    visitor.open(PRODUCTION)
    expect(visitor.page.get_by_role("button", name=f"Roll back to release {good.number}")).to_be_disabled()
    expect(visitor.page.locator("#rollback")).to_contain_text("maintainer")


def test_two_clicks_do_not_bring_the_bad_release_back(visitor_of: Visit, releases: tuple[Release, Release]) -> None:
    """Two windows show the button; when it is pressed in one, the other says what is under way instead."""
    good, _ = releases
    maintainer = make_person("erin")
    join(maintainer, good.project, Role.MAINTAINER)
    first, second = visitor_of(), visitor_of()
    for one in (first, second):
        one.signs_in_as(maintainer)
        one.open(PRODUCTION)
    first.page.get_by_role("button", name=f"Roll back to release {good.number}").click()
    expect(first.page.get_by_role("heading", level=1)).to_be_visible()
    expect(second.page.locator("#rollback")).to_contain_text("is under way")
    expect(second.page.locator("#rollback button")).to_be_disabled()
    assert {deploy.release_id for deploy in Deploy.objects.filter(kind=DeployKind.ROLLBACK)} == {good.pk}
