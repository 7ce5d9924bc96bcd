"""Caches in the story of a stage, and who may read what whom wrote."""

import threading
from io import BytesIO
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.db import connection
from pytest_django.fixtures import Settings

from pipelines.caches import lifecycle, queries
from pipelines.caches.models import Cache
from pipelines.errors import SystemFault
from pipelines.runs.models import Attempt
from pipelines.spec.model import CacheSpec
from pipelines.states.status import Status
from runners.containers import stage
from runners.containers.docker import DockerExecutor
from tests import factories
from tests.runners.containers.story import Story, commit, performed, taken_over, text_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_server")]

PIP = CacheSpec("pip", (".cache/pip",), files=("locks/*.txt",))
FILL = "mkdir -p .cache/pip/deep; echo $WORD >.cache/pip/deep/word; ln -sf /usr/bin/env .cache/pip/out"
SHOW = "cat .cache/pip/deep/word; readlink .cache/pip/out || true"


@pytest.fixture
def locked(story: Story) -> Story:
    commit(story.repository, {"locks/a.txt": "one==1\n"})
    return story


def said(attempt: Attempt) -> str:
    assert attempt.status == Status.SUCCEEDED, attempt.reason
    return text_of(attempt.log)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def fill(story: Story, word: str, **options: object) -> str:
    options = {"caches": (PIP,), **options}
    return said(story.perform(FILL, env={"WORD": word}, **options))


def show(story: Story, **options: object) -> str:
    options = {"caches": (PIP,), **options}
    return said(story.perform(SHOW, **options))


def test_what_one_run_leaves_the_next_finds(locked: Story) -> None:
    assert fill(locked, "first").startswith("[slipway] cache pip: not found\n[slipway] cache pip: saved 0.0 MB\n")
    assert show(locked) == "[slipway] cache pip: restored 0.0 MB, exact\nfirst\n/usr/bin/env\n"
    assert Cache.objects.count() == 1


def test_other_files_make_another_key_and_the_newest_helps_out(locked: Story) -> None:
    fill(locked, "first")
    commit(locked.repository, {"locks/a.txt": "one==2\n"})
    text = fill(locked, "second")

    assert text.startswith("[slipway] cache pip: restored 0.0 MB, the newest, of other files\n")
    assert "second" in show(locked)
    commit(locked.repository, {"locks/a.txt": "one==1\n", "other": "file\n"})
    assert "exact\nfirst" in show(locked)


def test_a_cache_of_another_name_may_be_fallen_back_to(locked: Story) -> None:
    fill(locked, "first")
    other = CacheSpec("pip-312", PIP.paths, PIP.files, fallback=("nothing", "pip"))

    assert "cache pip-312: restored 0.0 MB, the newest of pip, of other files\nfirst\n" in show(locked, caches=(other,))


def test_a_cache_without_files_is_stored_anew_each_time(locked: Story) -> None:
    always = CacheSpec("ccache", PIP.paths)
    fill(locked, "first", caches=(always,))
    fill(locked, "second", caches=(always,))

    assert "restored 0.0 MB, the newest\nsecond\n" in show(locked, caches=(always,))


def test_a_branch_reads_the_default_branch_and_writes_only_its_own(locked: Story) -> None:
    fill(locked, "main")
    assert "exact\nmain" in show(locked, ref="refs/heads/feature")
    commit(locked.repository, {"locks/a.txt": "two\n"})
    fill(locked, "branch", ref="refs/heads/feature")

    assert "exact\nbranch" in show(locked, ref="refs/heads/feature")
    assert "of other files\nmain" in show(locked)
    assert "\nmain\n" in show(locked, ref="refs/heads/another")


@pytest.mark.parametrize("ref", ["refs/pull/7/head", "refs/heads/main"])
def test_what_a_fork_wrote_nobody_of_the_project_reads(locked: Story, ref: str) -> None:
    fill(locked, "main")
    commit(locked.repository, {"locks/a.txt": "hostile\n"})
    text = fill(locked, "poison", ref=ref, trusted=False)

    assert "restored 0.0 MB, the newest, of other files" in text
    assert "exact\npoison" in show(locked, ref=ref, trusted=False)
    for reader in ("refs/heads/main", "refs/heads/feature", "refs/pull/7/head"):
        assert "\nmain\n" in show(locked, ref=reader)


def test_one_project_never_finds_anothers(locked: Story) -> None:
    fill(locked, "mine")

    assert "not found" in fill(Story(locked.repository, locked.image), "theirs")


def test_a_failed_stage_saves_nothing(locked: Story) -> None:
    attempt = locked.perform(FILL, "false", caches=(PIP,), env={"WORD": "x"})

    assert attempt.status == Status.FAILED
    assert Cache.objects.count() == 0


def test_paths_that_are_not_there_are_told_and_fail_nothing(locked: Story) -> None:
    text = said(locked.perform("true", caches=(PIP,)))

    assert text.endswith("[slipway] cache pip: not saved: there is nothing at .cache/pip\n")


def test_a_cache_that_is_too_large_is_told_and_fails_nothing(locked: Story, settings: Settings) -> None:
    settings.SLIPWAY_CACHE_MB = 1
    text = said(locked.perform("mkdir -p .cache/pip; dd if=/dev/urandom of=.cache/pip/x bs=1M count=3", caches=(PIP,)))

    assert "cache pip: not saved: it is larger than 1 MB" in text
    assert Cache.objects.count() == 0


def test_what_was_not_used_for_longest_goes_when_a_project_has_too_much(locked: Story, settings: Settings) -> None:
    settings.SLIPWAY_CACHES_MB = 5
    specs = [CacheSpec(f"c{i}", (f"big{i}",)) for i in range(4)]
    for i, spec in enumerate(specs):
        said(locked.perform(f"dd if=/dev/urandom of=big{i} bs=1000000 count=2", caches=(spec,)))

    assert [cache.name for cache in Cache.objects.order_by("pk")] == ["c2", "c3"]
    kept = {cache.storage_name for cache in Cache.objects.all()}
    folder = Path(settings.MEDIA_ROOT) / "caches" / str(locked.project.pk)
    assert {f"caches/{locked.project.pk}/{name}" for name in names_in(folder)} == kept


def test_a_cache_that_storage_lost_is_gone_without_and_told(locked: Story) -> None:
    fill(locked, "first")
    storages["default"].delete(Cache.objects.get().storage_name)
    text = fill(locked, "again")

    assert text.startswith("[slipway] cache pip: it was lost in storage\n[slipway] cache pip: saved")
    assert "exact\nagain" in show(locked)


def test_a_cache_that_changed_in_storage_is_forgotten(locked: Story, settings: Settings) -> None:
    fill(locked, "first")
    path = Path(settings.MEDIA_ROOT) / Cache.objects.get().storage_name
    path.write_bytes(path.read_bytes()[:-8] + b"12345678")
    claim = locked.claim(SHOW, caches=(PIP,))
    with pytest.raises(SystemFault):
        stage.run(claim)

    assert Cache.objects.count() == 0
    assert performed(taken_over(claim.attempt)).status == Status.FAILED  # nothing to show: it went on without


def test_of_two_that_save_at_once_the_first_wins_and_nothing_is_lost(locked: Story, settings: Settings) -> None:
    project = locked.project
    barrier = threading.Barrier(6)
    stored: list[bool] = []

    def store(number: int) -> None:
        name = storages["default"].save(f"caches/{project.pk}/{number}.tar.gz", BytesIO(b"x"))
        barrier.wait()
        row = Cache(project=project, scope="s", name="n", key="k", digest="d", size=1, storage_name=name)
        stored.append(lifecycle.store(row))
        connection.close()

    threads = [threading.Thread(target=store, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(stored) == [False] * 5 + [True]
    kept = Cache.objects.get().storage_name
    assert names_in(Path(settings.MEDIA_ROOT) / "caches" / str(project.pk)) == [Path(kept).name]


def test_a_runner_that_dies_after_saving_saves_no_second_time(
    locked: Story, monkeypatch: pytest.MonkeyPatch, own_server: DockerExecutor
) -> None:
    from pipelines.runs import lifecycle as runs

    class Dead(BaseException):
        pass

    def die(*_args: object, **_options: object) -> None:
        raise Dead

    claim = locked.claim(FILL, caches=(PIP,), env={"WORD": "x"})
    with monkeypatch.context() as patched:
        patched.setattr(runs, "finish_attempt", die)
        with pytest.raises(Dead):
            stage.run(claim)
    attempt = performed(taken_over(claim.attempt))

    assert said(attempt).count("saved") == 1
    assert Cache.objects.count() == 1
    assert own_server.ours() == []


def test_scopes_are_read_in_order(locked: Story) -> None:
    run = locked.run("refs/heads/feature")

    assert queries.scopes(run) == ("refs/heads/feature", "refs/heads/main")
    assert queries.scopes(locked.run("refs/heads/main")) == ("refs/heads/main",)
    assert factories.make_sha() != ""
