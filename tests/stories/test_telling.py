"""The code host and the channel hear of everything once."""

from collections import Counter

from tests.lab.patience import until
from tests.stories.works import Works

GOOD = "image: IMAGE\nstages: {test: {steps: [echo fine]}}\n"
BAD = "image: IMAGE\nstages: {test: {steps: [echo broken, exit 3]}}\n"


def test_every_verdict_is_told_once(works: Works) -> None:
    good = works.push(GOOD, "Good")
    works.ends(1, "succeeded")
    bad = works.push(BAD, "Bad")
    works.ends(2, "failed")
    beside = works.push(BAD, "Bad beside", branch="side")
    works.ends(3, "failed")
    last = works.push(GOOD.replace("fine", "fine again"), "Mended")
    works.ends(4, "succeeded")
    bad_again = works.push(BAD.replace("broken", "broken again"), "Bad again")
    works.ends(5, "failed")
    verdicts = ((good, "success"), (bad, "failure"), (beside, "failure"), (last, "success"), (bad_again, "failure"))
    told = works.scene.code_host
    for pushed, state in verdicts:
        until(f"the status {state}", lambda sha=pushed.after, state=state: told.states(sha)[-1:] == [state])  # type: ignore[misc]
    until("the last message", lambda: len(_messages(works)) == 2, last=lambda: _messages(works))
    statuses = Counter((status.sha, status.description) for status in told.statuses if works.name in status.target_url)
    assert set(statuses.values()) == {1}
    for pushed, state in verdicts:
        assert told.states(pushed.after).count(state) == 1
        assert set(told.states(pushed.after)) <= {"pending", state}
    assert {status.authorization for status in told.statuses} == {f"Bearer {told.token}"}
    first, second = _messages(works)  # branches beside the default one do not concern the channel
    assert "run 2 failed on main: test: step 2, exit 3, ended with code 3" in first
    assert "run 5 failed on main" in second


def _messages(works: Works) -> list[str]:
    return [text for text in works.scene.slack.texts if text.startswith(f"{works.name}: ")]
