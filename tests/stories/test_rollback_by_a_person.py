"""One button brings the last good release back, with its configuration, and builds nothing."""

import time

from tests.lab import sights
from tests.stories.works import Works


def test_the_button_brings_the_release_before_back_as_it_was(works: Works) -> None:
    operator = works.scene.operator
    works.scene.add_production(works.name, configuration="SHOP_GREETING=first")
    works.push_good("1.0")
    works.deploy_ends(1, "succeeded")
    operator.change_environment(works.name, "production", configuration="SHOP_GREETING=second")
    works.push_good("2.0")
    works.deploy_ends(2, "succeeded")
    assert works.served() == {"2.0"}
    moment = int(time.time())
    page = operator.browser.press(operator.environment(works.name, "production"), "Roll back to release 1")
    assert page.url.endswith("/deploys/3/")
    assert f"Asked by {operator.name}" in works.deploy_ends(3, "succeeded").words
    assert works.served() == {"1.0"}
    assert {sights.served(host).greeting for host in works.scene.fleet.hosts} == {"first"}
    assert works.digests() == {works.artifact_digest(1, "package")}
    assert works.containers_made_since(moment) == []
    assert not works.has_run(3)
    shown = operator.environment(works.name, "production")
    assert "production runs release 1" in shown.title
    assert "quarantined" in shown.words


def test_a_second_press_from_an_old_page_starts_nothing(works: Works) -> None:
    operator = works.scene.operator
    works.scene.add_production(works.name)
    for number, version in enumerate(("1.0", "2.0", "3.0"), 1):
        works.push_good(version)
        works.deploy_ends(number, "succeeded")
    page = operator.environment(works.name, "production")
    operator.browser.press(page, "Roll back to release 2")
    works.deploy_ends(4, "succeeded")
    again = operator.browser.press(page, "Roll back to release 2")
    assert "Nothing was started: production runs release 2 now, not 3" in again.words
    assert not works.has_deploy(5)
    assert works.served() == {"2.0"}
