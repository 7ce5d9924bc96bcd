"""A person stops what runs: nothing of it goes on anywhere."""

from tests.lab.patience import until
from tests.stories.works import Works

SLEEPER = """\
image: IMAGE
stages:
  sleep:
    steps:
      - trap 'echo tidied up' TERM; echo it has begun; sleep 600 & wait
  after: {steps: [echo never]}
"""


def test_a_cancelled_run_ends_its_container_and_starts_nothing_more(works: Works) -> None:
    operator = works.scene.operator
    works.push(SLEEPER)
    works.await_log(1, "sleep", "it has begun")
    assert works.containers()  # its own, and perhaps that of the next stage, made ahead
    operator.browser.press(works.page(1), "Cancel run")
    page = works.ends(1, "cancelled")
    until("the end of its container", lambda: not works.containers(), last=works.containers)
    assert f"cancelled by {operator.name}" in works.page(1, "after").words
    assert "it has begun" in works.log(1, "sleep")
    assert "Cancel run" not in page.words
    assert works.scene.server.process.poll() is None
