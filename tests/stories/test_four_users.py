"""The four people that this is for, each with a browser on a whole server: from signing in to what the hosts serve.

Only what comes from outside is not done in the browser: commits are pushed, and their stages and hosts are real.
"""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.visitor import chromium
from tests.lab import shops, sights
from tests.lab.cloud import ACCESS_KEY, SECRET_KEY
from tests.lab.sshd import Sshd, start_sshd
from tests.lab.webhooks import Webhook
from tests.stories.people import PATIENCE_MS, Window, hire, open_window, operator_of
from tests.stories.works import Works

# The shelves are counted from outside, one after the other, so that somebody can watch.
COUNTING = """\
image: IMAGE
stages:
  build: {steps: [echo built]}
  stock:
    needs: [build]
    steps:
      - name: count
        run: |
          for shelf in 1 2 3; do
            until [ -s /tmp/shelf-$shelf ]; do sleep 0.1; done
            echo "shelf $shelf has $(cat /tmp/shelf-$shelf) kettles"
          done
      - name: compare
        run: |
          counted=$(($(cat /tmp/shelf-1) + $(cat /tmp/shelf-2) + $(cat /tmp/shelf-3)))
          [ $counted = 6 ] || { echo "AssertionError: $counted counted, 6 in the books"; exit 1; }
          echo "all 6 are there"
"""
ONLY_GIT = 'ForceCommand git-shell -c "$SSH_ORIGINAL_COMMAND"'
Opening = Callable[[], Window]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def window_of(browser: Browser, works: Works) -> Iterator[Opening]:
    """Opens windows; none of them may have complained of anything in the end."""
    windows: list[Window] = []

    def open_one() -> Window:
        windows.append(open_window(browser, works.scene))
        return windows[-1]

    yield open_one
    for one in windows:
        one.visitor.context.close()
    assert [complaint for one in windows for complaint in one.visitor.complaints] == []


def test_a_developer_watches_a_commit_fail_line_by_line_and_runs_it_again_until_it_is_green(
    works: Works, window_of: Opening
) -> None:
    window = window_of()
    page = window.page
    window.sign_in(hire(works.scene, "dana", works.name, "developer"))
    window.follow(page.get_by_role("link", name=works.name, exact=True), "**/projects/*/")
    window.watch()
    window.reads("#runs", "No run yet")
    works.push(COUNTING, "Count the kettles")
    window.reads("#runs", "Count the kettles")
    assert window.is_untouched
    window.follow(page.locator("#runs a.main"), "**/runs/1/")
    window.follow(page.get_by_role("link", name=re.compile("^stock")).first, "**/?stage=stock")
    window.watch()
    for shelf in (1, 2):
        expect(page.locator(".log")).not_to_contain_text(f"shelf {shelf}")
        works.inside(1, "stock", f"echo 2 > /tmp/shelf-{shelf}")
        window.reads(".log", f"shelf {shelf} has 2 kettles")
    window.looks_over("developer-watches")
    works.inside(1, "stock", "echo 1 > /tmp/shelf-3")
    window.reads("#facts", "failed")
    expect(page).to_have_title(re.compile("^failed: "), timeout=PATIENCE_MS)
    window.reads(".log", "5 counted, 6 in the books", "The end")
    assert window.is_untouched
    page.get_by_role("button", name="First error").click()
    expect(page.locator(".ln--on")).to_have_text(re.compile("AssertionError: 5 counted"), timeout=PATIENCE_MS)
    window.looks_over("developer-failed")
    page.keyboard.press("r")
    page.wait_for_url("**/runs/2/*")
    window.watch()
    for shelf in (1, 2, 3):
        works.inside(2, "stock", f"echo 2 > /tmp/shelf-{shelf}")
    window.reads("#facts", "succeeded", "run 1 again, what failed, by dana")
    window.reads(".log", "all 6 are there")
    window.looks_over("developer-green")
    assert window.is_untouched


@pytest.fixture(scope="session")
def code_over_ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """Serves the machine's repositories to whose key stands in `authorized_keys`: nobody's yet.

    It goes on after its story, since the server goes on asking it for pushes.
    """
    server = start_sshd(tmp_path_factory.mktemp("code"), private_key="", public_key="", options=(ONLY_GIT,))
    yield server
    server.stop()


def test_a_team_sets_its_pipeline_up_from_a_clone_url_to_a_green_run(
    works: Works, window_of: Opening, code_over_ssh: Sshd
) -> None:
    name = f"{works.name}-by-hand"
    repository = works.scene.code_host.create(f"acme/{name}")
    shop = {**shops.good("1.0", works.python), "requirements.txt": ""}
    del shop[".slipway.yml"]
    repository.push(shop, "Open the shop")
    window = window_of()
    window.sign_in(operator_of(works.scene))
    window.follow(window.page.get_by_role("link", name="Add project").first, "**/projects/add/")
    where = code_over_ssh.address
    _adds_the_project(window, f"ssh://root@{where.host}:{where.port}{repository.bare}", name)
    (code_over_ssh.directory / "authorized_keys").write_text(window.copied("Copy key") + "\n")
    _approves_the_code_host(window, code_over_ssh)
    repository.webhook = Webhook(window.copied("Copy URL"), window.copied("Copy secret"))
    assert repository.deliver("ping", {"zen": "Design for failure.", "sender": {"login": "ada", "id": 1}}).status == 202
    window.reads("#delivery", "it arrives")
    window.looks_over("team-set-up")
    _edits_the_starter(window, works.python)
    window.visitor.open(f"/projects/{name}/setup/")
    window.follow(window.page.get_by_role("button", name="Run it once on main"), "**/runs/1/")
    window.watch()
    window.reads("#facts", "succeeded")
    window.reads(".log", "test_an_unknown_page_is_not_found")
    assert window.is_untouched
    window.looks_over("team-green")


def _adds_the_project(window: Window, clone_url: str, name: str) -> None:
    page = window.page
    page.get_by_label("Clone URL").press_sequentially(clone_url)
    window.reads("#reached", "answers")
    expect(page.get_by_label("Name", exact=True)).to_have_value(name, timeout=PATIENCE_MS)
    page.get_by_label("Owned by").select_option("a new team, with me in it")
    page.get_by_label("Name of the new team").fill(f"shopkeepers of {name}")
    window.looks_over("team-add")
    window.follow(page.get_by_role("button", name="Add the project"), "**/setup/")


def _approves_the_code_host(window: Window, server: Sshd) -> None:
    """After a look at the fingerprint, as one should."""
    window.reads("#keys", server.host_key.fingerprint)
    window.looks_over("team-keys")
    window.follow(window.page.get_by_role("button", name="Approve the chosen keys"), "**/setup/")
    window.reads("#keys", "approved")
    expect(window.page.get_by_role("button", name="Approve the chosen keys")).to_have_count(0)
    window.reads("#code", "branch main at", "Open the shop")


def _edits_the_starter(window: Window, image: str) -> None:
    """Their own image, and the tests that they have; a slip is seen while it is typed."""
    page = window.page
    window.reads("#starter", "requirements.txt")
    window.reads("#starter-text", "image: python:")
    window.follow(page.get_by_role("button", name="Save on this server"), "**/setup/")
    window.follow(page.locator("#starter").get_by_role("link", name="edit it"), "**/pipeline/")
    page.locator(".CodeMirror").click()
    for text, mistakes in (("stepz", re.compile("[1-9] mistake")), ("steps", "no mistakes")):
        page.keyboard.press("Control+a")
        window.paste(f"image: {image}\nstages:\n  test:\n    {text}: [python3 -m unittest -v]\n")
        expect(page.locator("#count")).to_have_text(mistakes, timeout=PATIENCE_MS)
        window.looks_over(f"team-{text}")
    page.get_by_label("What changed").fill("Our image and our tests")
    window.follow(page.get_by_role("button", name="Save as version 2"), "**/pipeline/")
    expect(page.get_by_text("Saved as version 2")).to_be_visible()


def test_a_green_push_goes_out_by_itself_while_they_watch_and_a_red_one_does_not(
    works: Works, window_of: Opening
) -> None:
    operator = window_of()
    operator.sign_in(operator_of(works.scene))
    _makes_production(operator, works)
    window = window_of()
    page = window.page
    window.sign_in(hire(works.scene, "dora", works.name, "developer"))
    board, shown = window.beside(), f"/projects/{works.name}/environments/production/"
    board.visitor.open("/environments/")
    board.watch()
    window.visitor.open(shown)
    window.watch()
    window.reads("#live", "Nothing is live here yet")
    hosts = works.scene.fleet.hosts
    opened = f"/tmp/{works.name}"
    works.push_shop(shops.waiting(shops.good("1.0", works.python), opened), "Version 1.0")
    window.reads("#deploys", "deploy 1")
    window.looks_over("auto-environment")
    window.follow(page.locator("#deploys").get_by_role("link", name="deploy 1"), "**/deploys/1/")
    window.watch()
    for host in hosts:
        row = f"#hosts tr:has-text('{host.name}')"
        window.reads(row, "activating")
        window.paint(f"auto-deploy-{host.name}")
        host.run("touch", opened)
        window.reads(row, "succeeded")
    window.reads("#head", "3 of 3 hosts done")
    assert window.is_untouched
    window.looks_over("auto-deployed")
    board.reads("#board", "3 of 3 healthy")
    assert board.is_untouched
    board.looks_over("auto-board")
    assert works.served() == {"1.0"}
    window.visitor.open(shown)
    window.reads("h1", "production runs release 1")
    window.watch()
    works.push_shop(shops.failing_test("1.1", works.python), "Version 1.1")
    board.visitor.open(f"/projects/{works.name}/runs/2/")
    board.reads("#facts", "failed", "no release")
    expect(page.locator("#releases tbody tr")).to_have_count(1)
    assert window.is_untouched
    assert works.served() == {"1.0"}


def _makes_production(window: Window, works: Works) -> None:
    """In the admin pages: hosts as the cloud lists them, and every green commit goes there."""
    page, cloud = window.page, works.scene.cloud
    window.visitor.open(f"/projects/{works.name}/")
    window.follow(page.get_by_role("link", name="Add", exact=True), "**/admin/deploys/environment/add/*")
    page.locator("#id_name").fill("production")
    page.locator("#id_automatic").check()
    page.locator("#id_inventory_kind").select_option("aws")
    tags = '{"env": "prod", "role": ["web"]}'
    page.locator("#id_inventory").fill(f'{{"region": "{cloud.region}", "tags": {tags}, "endpoint_url": "{cloud.url}"}}')
    page.locator("#id_inventory_secret").fill(f"{ACCESS_KEY}:{SECRET_KEY}")
    page.locator("#id_credential").select_option("fleet")
    window.paint("auto-admin")
    window.follow(page.get_by_role("button", name="Save", exact=True), "**/admin/deploys/environment/")
    window.visitor.open(f"/projects/{works.name}/environments/production/hosts/")
    window.follow(page.get_by_role("button", name="Scan now"), "**/hosts/")
    window.reads("#scan", *(host.address for host in works.scene.fleet.hosts))
    window.looks_over("auto-hosts")
    window.follow(page.get_by_role("button", name="Approve the chosen keys"), "**/hosts/")
    window.reads("#scan", "approved")


def test_an_operator_rolls_production_back_with_one_button_and_the_record_says_who_and_why(
    works: Works, window_of: Opening
) -> None:
    operator, name = works.scene.operator, works.name
    works.scene.add_production(name, configuration="SHOP_GREETING=first")
    works.push_shop(shops.lean(shops.good("1.0", works.python)), "Version 1.0")
    works.deploy_ends(1, "succeeded")
    operator.change_environment(name, "production", configuration="SHOP_GREETING=second")
    works.push_shop(shops.lean(shops.good("2.0", works.python)), "Version 2.0")
    works.deploy_ends(2, "succeeded")
    window = window_of()
    page = window.page
    window.sign_in(operator_of(works.scene))
    window.follow(page.get_by_role("link", name="Environments").first, "**/environments/")
    window.visitor.open(f"/projects/{name}/environments/production/")
    window.watch()
    window.reads("h1", "production runs release 2")
    window.reads("#rollback", "3 hosts, no build", "Version 2.0", "SHOP_GREETING=second", "SHOP_GREETING=first")
    window.reads("#rollback", "2 is quarantined: no rule deploys it again")
    page.get_by_label("Why", exact=True).fill("kettles cost nothing")
    window.looks_over("operator-panel")
    window.follow(page.get_by_role("button", name="Roll back to release 1"), "**/deploys/3/")
    window.watch()
    window.looks_over("operator-under-way")
    window.reads("#head", "Back to release 1", "3 of 3 hosts done")
    window.reads("#facts", "rolled back", operator.name)
    window.reads("#why", "kettles cost nothing")
    assert window.is_untouched
    window.looks_over("operator-back")
    assert works.served() == {"1.0"}
    assert {sights.served(host).greeting for host in works.scene.fleet.hosts} == {"first"}
    window.visitor.open(f"/projects/{name}/environments/production/")
    window.reads("h1", "production runs release 1")
    window.reads("#releases", "quarantined")
    window.looks_over("operator-quarantined")
    window.visitor.open(f"/audit/?about={name}&verb=asked+to+roll+back")
    window.reads("#acts tbody tr", operator.name, f"{name} production", "kettles cost nothing")
    window.looks_over("operator-audit")
