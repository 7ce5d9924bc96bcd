"""The server is upgraded while a stage runs: stopped in good order, started again. The container never notices."""

import signal
from functools import partial
from pathlib import Path

import pytest

from tests.faults import questions
from tests.faults.test_other_deaths import begun, has_another, has_ended, judged, run_of, served_again
from tests.faults.town import await_true, town

_FEW = {"STAGE_WORKERS": "2", "CONTROL_WORKERS": "1", "DEPLOY_WORKERS": "1", "POLL_SECONDS": "3600"}
STAGE_SECONDS = 30.0
STOP_SECONDS = 120.0


@pytest.mark.alone
def test_a_stage_survives_an_upgrade_of_the_server_with_its_log_whole_and_its_true_verdict(tmp_path: Path) -> None:
    """One run, one attempt, one container; every byte that it printed before, between and after stands in the log."""
    with town(tmp_path, **_FEW) as here:
        task = begun(here, "upgraded", seconds=STAGE_SECONDS)
        owner = here.records.ask(questions.performer_of, task.key)
        here.server.process.send_signal(signal.SIGTERM)
        assert here.server.process.wait(STOP_SECONDS) == 0
        assert not here.server.processes(), "processes outlived the server"
        assert any(left.startswith("container") for left in here.leftovers()), "the stage ended with the server"
        with served_again(here):
            await_true(partial(has_another, here, task, questions.performer_of, owner), 120, "left alone")
            await_true(partial(has_ended, here, task), STAGE_SECONDS + 300, "it did not end")
            judged(here, task)
            assert run_of(here, task).status == "succeeded"
            await_true(lambda: not here.leftovers(), 240, "the engine was not tidied")
        assert here.records.ask(questions.broken_logs) == []
