"""The story of a team that wants every green commit deployed by itself: the page follows, nobody presses anything."""

from playwright.sync_api import expect

from pipelines.deploys import releases
from pipelines.deploys.models import Deploy
from pipelines.projects.models import Role
from pipelines.states.status import Status
from tests import factories
from tests.browser.conftest import Visit


def test_a_green_push_goes_out_by_itself_and_a_red_one_does_not(visitor_of: Visit) -> None:
    project = factories.make_project("shop")
    environment = factories.make_environment(project, "production")
    factories.make_live(environment)
    environment.automatic = True
    environment.save()
    developer = factories.make_person("bob", project=project, role=Role.DEVELOPER)
    visitor = visitor_of(reduced_motion="reduce")
    visitor.signs_in_as(developer)
    visitor.open("/projects/shop/environments/production/")
    page = visitor.page
    page.get_by_text("Live", exact=True).wait_for()
    release = releases.release(factories.make_green_run(project, title="Index orders", author="bob"))
    assert release is not None
    expect(page.locator("#queue")).to_contain_text(f"release {release.number}", timeout=30_000)
    deploy = Deploy.objects.get(release=release)
    assert deploy.automatic
    factories.finish_deploy(deploy)
    title = page.get_by_role("heading", level=1)
    expect(title).to_contain_text(f"production runs release {release.number}", timeout=30_000)
    expect(page.locator("#live")).to_contain_text("Index orders")
    red = factories.make_red_run(project, title="Break it")
    assert red.status == Status.FAILED
    assert releases.release(red) is None
    visitor.open("/projects/shop/")
    expect(page.locator("#runs")).to_contain_text("Break it")
    expect(page.locator("#releases")).not_to_contain_text("Break it")
    assert Deploy.objects.filter(finished_at=None).count() == 0
