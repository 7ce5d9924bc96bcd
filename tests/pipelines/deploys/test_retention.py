"""What is kept for a time goes afterwards, and never what is needed."""

from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from pipelines.deploys import releases
from pipelines.deploys.retention import REST, expire
from pipelines.runs.models import Artifact, Run
from tests.factories import (
    finish_run,
    make_artifact,
    make_green_run,
    make_red_run,
    make_release,
    make_run,
    start_stage,
)

pytestmark = pytest.mark.django_db


def over(artifact: Artifact) -> Artifact:
    Artifact.objects.filter(pk=artifact.pk).update(expires_at=timezone.now() - timedelta(minutes=1))
    artifact.refresh_from_db()
    return artifact


def kept_of(run: Run, path: str = "report/", data: bytes = b"pages") -> Artifact:
    return make_artifact(run.stages.order_by("position")[0].attempts.get(), path, data)


def is_expired(artifact: Artifact) -> bool:
    artifact.refresh_from_db()
    return artifact.expired_at is not None


def test_an_artifact_whose_time_is_over_goes_and_its_file_a_day_later() -> None:
    artifact = over(kept_of(make_release().run))
    name = artifact.storage_name
    assert expire() == 1
    assert is_expired(artifact)
    assert default_storage.exists(name)
    expire(timezone.now() + REST + timedelta(minutes=1))
    assert not default_storage.exists(name)
    artifact.refresh_from_db()
    assert artifact.storage_name == ""


def test_one_without_a_time_or_before_it_stays() -> None:
    run = make_green_run()
    for_ever, later = kept_of(run), kept_of(run, "other/")
    Artifact.objects.filter(pk=later.pk).update(expires_at=timezone.now() + timedelta(days=1))
    assert expire() == 0
    assert not is_expired(for_ever)
    assert not is_expired(later)


def test_what_a_release_ships_stays() -> None:
    release = make_release()
    assert release.artifact is not None
    over(release.artifact)
    assert expire() == 0


def test_what_a_run_under_way_has_made_stays() -> None:
    over(make_artifact(start_stage(make_run())))
    assert expire() == 0


def test_what_a_rerun_has_taken_over_stays_until_it_has_ended_and_its_release_is_cut() -> None:
    run = make_red_run()
    artifact = over(kept_of(run))
    again = make_run(run.project)
    again.stages.update(taken_from=run.stages.order_by("position")[0])
    assert expire() == 0
    finish_run(again)
    assert expire() == 0
    releases.release(again)
    assert expire() == 1
    assert is_expired(artifact)


def test_a_file_that_another_artifact_shares_stays() -> None:
    first, second = (kept_of(make_release().run, data=b"same") for _ in range(2))
    Artifact.objects.filter(pk=second.pk).update(storage_name=first.storage_name)
    over(first)
    expire()
    expire(timezone.now() + REST + timedelta(minutes=1))
    assert default_storage.exists(first.storage_name)
