"""What a team would move for, all the way through a running server: push, watch, approve, run again what failed."""

from tests.lab.patience import until
from tests.stories.works import Works

WHOLE = """\
image: IMAGE
parameters:
  level: {type: choice, options: [low, high], default: low}
stages:
  build:
    steps:
      - mkdir -p dist .cache && echo built >dist/it && date >>.cache/dates
      - name: report
        shell: /bin/sh -e
        workdir: dist
        env: {WORD: "of level"}
        run: echo "$WORD $SLIPWAY_PARAM_LEVEL" >report
    artifacts: {paths: [dist/], expire: 1d}
    cache: {name: dates, paths: [.cache]}
  test:
    matrix: {size: [1, 2], include: [{size: 3}]}
    services:
      db:
        image: IMAGE
        command: /bin/sh -c 'echo listening; while :; do echo hello | nc -l -p 7000; done'
        ready: {port: 7000, timeout: 30s}
    steps:
      - nc db 7000 </dev/null
      - echo "size ${SLIPWAY_MATRIX_SIZE} $(cat dist/report)"
    timeout: 2m
    idle_timeout: 1m
  may-fail:
    needs: [build]
    allow_failure: true
    steps: [exit 3]
  tidy:
    needs: [may-fail]
    when: {status: always}
    steps: [echo tidied]
  alarm:
    needs: [test]
    when: {status: failed}
    steps: [echo never]
  tagged:
    needs: [build]
    when: [{tag: v*}, {if: message contains "release"}]
    steps: [echo never]
  ship:
    needs: [test, tidy]
    approval: {message: "Ship it?", ask: {reason: {default: none}}}
    steps: ['echo "shipped: $SLIPWAY_PARAM_REASON"']
"""

FLAKY = """\
image: IMAGE
stages:
  build: {steps: [echo built], artifacts: []}
  test:
    needs: [build]
    retry: {times: 1, on: [75]}
    steps: ['exit CODE']
"""


def test_most_of_the_language_goes_the_whole_way_and_a_person_lets_it_ship(works: Works) -> None:
    browser = works.scene.operator.browser
    works.push(WHOLE)
    until("the question", lambda: "Approve ship" in works.page(1, "ship").words, last=lambda: works.page(1).words)
    page = works.page(1, "ship")
    assert "Ship it?" in page.words
    browser.press(page, "Approve ship", {"answer-reason": "it is Friday"})
    works.ends(1, "succeeded")
    assert "shipped: it is Friday" in works.log(1, "ship")
    for size in ("1", "2", "3"):
        log = works.log(1, f"test ({size})")
        assert "hello" in log
        assert f"size {size} of level low" in log
    assert "tidied" in works.log(1, "tidy")
    assert "`when` does not match" in works.page(1, "tagged").words
    assert "skipped" in works.page(1, "alarm").words
    assert "may-fail" in works.page(1).words
    until("the end of its containers", lambda: not works.containers(), last=works.containers)


def test_what_failed_is_run_again_and_the_rest_is_taken_over(works: Works) -> None:
    works.push(FLAKY.replace("CODE", "75").replace(", artifacts: []", ""))
    page = works.ends(1, "failed")
    assert "Attempt 2" in works.page(1, "test").words  # tried again by itself, for its exit code
    works.scene.operator.browser.press(page, "Run again what failed")
    works.ends(2, "failed")
    assert "done in run 1 , taken over" in works.page(2, "build").words
    assert "built" in works.log(2, "build")


def test_a_person_starts_a_run_with_parameters(works: Works) -> None:
    spec = (
        "image: IMAGE\nparameters: {level: {type: choice, options: [low, high], default: low}}\n"
        "stages: {say: {steps: ['echo level $SLIPWAY_PARAM_LEVEL']}}\n"
    )
    works.push(spec)
    works.ends(1, "succeeded")
    browser = works.scene.operator.browser
    form = browser.open(f"/projects/{works.name}/start/")
    browser.press(form, "Start", {"parameter-level": "high"})
    works.ends(2, "succeeded")
    assert "level high" in works.log(2, "say")


def test_a_newer_push_cancels_the_older_run_of_its_branch(works: Works) -> None:
    spec = 'image: IMAGE\nconcurrency: {group: "${{ branch }}", cancel: running}\nstages: {wait: {steps: [STEP]}}\n'
    works.push(spec.replace("STEP", "echo begun; sleep 600"))
    works.await_log(1, "wait", "begun")
    works.push(spec.replace("STEP", "echo quick"))
    works.ends(1, "cancelled")
    works.ends(2, "succeeded")
    assert "superseded by run 2" in works.page(1).words


def test_a_pipeline_kept_on_the_server_is_the_one_that_runs(works: Works) -> None:
    works.push("image: IMAGE\nstages: {old: {steps: [echo from the repository]}}\n")
    works.ends(1, "succeeded")
    browser = works.scene.operator.browser
    text = f"image: {works.image}\nstages: {{new: {{steps: [echo from the server]}}}}\n"
    page = browser.press(browser.open(f"/projects/{works.name}/pipeline/"), "Save as version 1", {"text": text})
    assert "Saved as version 1" in page.words
    works.push("image: IMAGE\nstages: {old: {steps: [echo ignored]}}\n", "Another")
    works.ends(2, "succeeded")
    assert "from the server" in works.log(2, "new")
