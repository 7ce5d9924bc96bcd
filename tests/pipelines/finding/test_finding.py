"""What people look for is found, in their own projects only, and a look tells how far it came."""

from typing import Any

import pytest
from django.db import transaction
from django.db.models import QuerySet

from pipelines.finding import Kind, find, lines
from pipelines.logs import store
from pipelines.logs.models import Log
from pipelines.projects.models import Project
from pipelines.runs.models import Attempt
from tests.factories import make_deploy, make_environment, make_project, make_run, make_sha, start_stage

pytestmark = pytest.mark.django_db


def only(*projects: Project) -> "QuerySet[Project]":
    return Project.objects.filter(pk__in=[project.pk for project in projects])


def say(attempt: Attempt, *pieces: bytes, archived: bool = False) -> Log:
    log = Log.objects.get(pk=attempt.log_id)
    for piece in pieces:
        with transaction.atomic():
            store.append(log, piece, log.raw_size + len(piece))
    if archived:
        store.close(log)
        store.archive(Log.objects.get(pk=log.pk))
    return log


def printed(project: Project, *pieces: bytes, archived: bool = False) -> Attempt:
    attempt = start_stage(make_run(project))
    say(attempt, *pieces, archived=archived)
    return attempt


def look(project: Project, text: str, **how: Any) -> lines.Look:
    found = find(only(project), text, {Kind.LOGS}, **{"seconds": 60, **how}).logs
    assert found is not None
    return found


def test_a_project_is_found_by_its_name_and_its_clone_url() -> None:
    project = make_project("basket-service", clone_url="https://git.example.org/shelves.git")
    assert find(only(project), "BASKET").projects == [project]
    assert find(only(project), "shelves").projects == [project]
    assert find(only(project), "nothing").projects == []


def test_a_run_is_found_by_number_title_and_branch() -> None:
    run = make_run(title="Sort the basket by shelf", ref="refs/heads/feature/sorting")
    for text in (str(run.number), f"#{run.number}", "the BASKET", "feature/sort"):
        assert find(only(run.project), text).runs == [run], text


def test_a_commit_is_found_by_four_digits_and_once_however_often_it_ran() -> None:
    sha = make_sha("the one")
    project = make_project()
    make_run(project, sha=sha, ref="refs/heads/main")
    newest = make_run(project, sha=sha, ref="refs/heads/other")
    assert find(only(project), sha[:4].upper()).commits == [newest]
    assert find(only(project), sha[:3]).commits == []


def test_a_person_is_found_by_a_part_of_the_name_with_the_newest_run() -> None:
    project = make_project()
    make_run(project, author="Ada Example")
    newest = make_run(project, author="Ada Example")
    make_run(project, author="Bob Example")
    assert [(one.name, one.newest) for one in find(only(project), "ada").people] == [("Ada Example", newest)]


def test_nothing_is_found_in_a_project_that_one_does_not_see() -> None:
    hidden, seen = make_project("hidden-one"), make_project()
    run = make_run(hidden, title="A hidden thing", author="Hidden Author")
    say(start_stage(run), b"a hidden line\n")
    found = find(only(seen), "hidden", set(Kind))
    assert found.count == 0
    assert found.logs is not None
    assert found.logs.matched == []
    assert find(only(seen), run.sha[:8]).commits == []
    assert find(Project.objects.none(), "hidden", set(Kind)).logs is None


@pytest.mark.parametrize("archived", [False, True])
def test_a_line_is_found_with_its_number_whatever_its_case_and_colour(archived: bool) -> None:
    attempt = printed(make_project(), b"first\nsecond\n\x1b[31mDisk \x1b[0mis FULL now\n", archived=archived)
    project = attempt.stage.run.project
    (matched,) = look(project, "disk is full").matched
    assert (matched.log_id, matched.owner.run, matched.owner.stage) == (
        attempt.log_id,
        attempt.stage.run.number,
        "build",
    )
    (line,) = matched.lines
    assert (line.number, line.before, line.hit, line.after) == (3, "", "Disk is FULL", " now")


def test_the_newest_logs_come_first_and_the_next_look_goes_on_where_the_last_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "LOGS_SHOWN", 2)
    project = make_project()
    logs = [printed(project, b"needle %d\n" % number).log_id for number in range(3)]
    first = look(project, "needle")
    assert [one.log_id for one in first.matched] == [logs[2], logs[1]]
    second = look(project, "needle", before=first.before)
    assert [one.log_id for one in second.matched] == [logs[0]]
    assert second.before is None


def test_a_look_without_time_reads_one_log_and_says_where_to_go_on() -> None:
    project = make_project()
    older, newer = printed(project, b"needle\n"), printed(project, b"hay\n")
    found = look(project, "needle", seconds=0)
    assert (found.logs, found.bytes, found.matched) == (1, 4, [])
    assert found.back_to is not None
    assert found.before == newer.log_id
    assert [one.log_id for one in look(project, "needle", before=found.before).matched] == [older.log_id]


def test_of_a_log_with_many_hits_a_few_lines_are_shown() -> None:
    project = make_project()
    printed(project, b"needle\n" * 10)
    (matched,) = look(project, "needle").matched
    assert [line.number for line in matched.lines] == [1, 2, 3]
    assert matched.more


def test_of_a_log_that_is_too_long_the_end_is_read_and_the_look_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "READ_MAX", 100)
    project = make_project()
    printed(project, b"needle at the beginning\n", b"hay\n" * 100, b"needle at the end\n")
    found = look(project, "needle")
    assert [line.number for line in found.matched[0].lines] == [102]
    assert found.ends_only == 1


def test_a_long_line_is_shown_around_what_was_found() -> None:
    project = make_project()
    printed(project, b"x" * 500 + b"needle" + b"y" * 500 + b"\n")
    (line,) = look(project, "needle").matched[0].lines
    assert line.before == "…" + "x" * 80
    assert (line.hit, line.after) == ("needle", "y" * 154 + "…")


def test_the_log_of_a_deploy_is_looked_through_too() -> None:
    deploy = make_deploy(make_environment())
    log = Log.objects.get(pk=deploy.log_id)
    with transaction.atomic():
        store.append(log, b"asking the inventory\n", 21)
    (matched,) = look(deploy.environment.project, "inventory").matched
    assert (matched.owner.deploy, matched.owner.run) == (deploy.number, None)


def test_two_letters_are_not_looked_for_in_logs() -> None:
    project = make_project()
    printed(project, b"ok\n")
    assert look(project, "ok").logs == 0


def test_who_comes_while_two_look_is_told_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_PATIENCE_SECONDS", 0.01)
    with lines._places, lines._places, pytest.raises(lines.Busy, match="again in a few seconds"):
        look(make_project(), "needle")
