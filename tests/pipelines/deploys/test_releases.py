"""A green push or tag run becomes one release, and goes by itself where a rule takes it."""

import pytest
from django.db import IntegrityError, transaction

from pipelines.deploys import releases, requests
from pipelines.deploys.models import Deploy, Release
from pipelines.runs.models import Artifact, Attempt, EventKind, Run
from pipelines.states.status import Status
from tests.factories import (
    SPEC,
    configure,
    finish_run,
    make_artifact,
    make_environment,
    make_green_run,
    make_live,
    make_project,
    make_red_run,
    make_release,
    make_run,
    plan,
)
from tests.rivals import race

pytestmark = pytest.mark.django_db


def test_a_release_bears_what_it_was_made_of() -> None:
    run = make_green_run()
    made = releases.release(run)
    assert made is not None
    assert (made.number, made.run, made.ref, made.sha) == (1, run, run.ref, run.sha)
    assert (made.spec_digest, made.deploy_spec) == (run.spec_digest, run.deploy_spec)
    assert made.digest == Artifact.objects.get(attempt__stage__run=run).digest


def test_releases_are_numbered_in_each_project() -> None:
    project, other = make_project(), make_project()
    assert [make_release(project).number, make_release(project).number, make_release(other).number] == [1, 2, 1]


def test_a_run_is_released_once() -> None:
    run = make_green_run()
    assert releases.release(run) == releases.release(run)
    assert Release.objects.count() == 1


@pytest.mark.parametrize("kind", [EventKind.MANUAL, EventKind.PULL_REQUEST])
def test_what_is_neither_push_nor_tag_cuts_no_release(kind: EventKind) -> None:
    run = make_run(kind=kind, spec=None)
    Run.objects.filter(pk=run.pk).update(event_kind=kind)
    run.refresh_from_db()
    plan(run)
    assert releases.release(finish_run(run)) is None


def test_a_run_that_is_not_trusted_cuts_no_release() -> None:
    run = make_run(spec=None)
    Run.objects.filter(pk=run.pk).update(trusted=False)
    run.refresh_from_db()
    run.approvals.create(actor="ada (#1)", sha=run.sha)
    plan(run)
    assert releases.release(finish_run(run)) is None


def test_a_tag_cuts_a_release() -> None:
    run = make_green_run(kind=EventKind.TAG, ref="refs/tags/v1.2.3")
    made = releases.release(run)
    assert made is not None
    assert made.ref == "refs/tags/v1.2.3"


def test_only_a_green_run_is_released() -> None:
    assert releases.release(make_red_run()) is None
    assert releases.release(make_run()) is None


def test_a_run_without_a_deploy_section_is_not_released() -> None:
    run = make_green_run(spec=SPEC.partition("deploy:")[0])
    assert releases.release(run) is None


def test_a_run_whose_artifact_is_missing_is_not_released() -> None:
    run = make_green_run()
    Artifact.objects.filter(attempt__stage__run=run).delete()
    assert releases.release(run) is None
    assert not Release.objects.exists()


def test_only_the_artifact_of_the_named_path_is_shipped() -> None:
    run = make_green_run()
    attempt = Artifact.objects.get(attempt__stage__run=run).attempt
    make_artifact(attempt, "dist-debug/", b"not this one")
    made = releases.release(run)
    assert made is not None
    assert made.artifact is not None
    assert made.artifact.path == "dist/"


def of_another_kind(section: str) -> Run:
    """A green run whose release is not files; its build pushed two tags by one digest."""
    tags = ["registry.example.org:5000/shop:1.2", "registry.example.org:5000/shop"]
    pack = f"  pack: {{build: {{tags: {tags}, push: true}}}}\n"
    spec = SPEC[: SPEC.index("deploy:")].replace("  test:\n", f"{pack}  test:\n") + "deploy:\n  path: /srv/shop\n"
    run = finish_run(make_run(spec=f"{spec}  {section}\n"))
    attempt = Attempt.objects.get(stage__run=run, stage__name="pack")
    for tag in tags:
        Artifact.objects.create(attempt=attempt, path=f"image:{tag}", digest="ab" * 32, size=9, storage_name="")
    return run


def test_a_release_that_is_an_image_bears_the_digest_that_was_pushed() -> None:
    run = of_another_kind("image: registry.example.org:5000/shop:1.2\n  container: {name: shop}")
    made = releases.release(run)
    assert made is not None
    assert made.image == f"registry.example.org:5000/shop@sha256:{'ab' * 32}"
    assert made.digest == "ab" * 32
    assert made.artifact is not None
    assert made.artifact.path == "image:registry.example.org:5000/shop:1.2"


def test_an_image_without_a_tag_keeps_the_port_of_its_registry() -> None:
    made = releases.release(of_another_kind("image: registry.example.org:5000/shop\n  container: {name: shop}"))
    assert made is not None
    assert made.image == f"registry.example.org:5000/shop@sha256:{'ab' * 32}"


def test_a_run_whose_image_was_never_pushed_is_not_released() -> None:
    run = of_another_kind("image: registry.example.org:5000/shop:1.2\n  container: {name: shop}")
    Artifact.objects.filter(attempt__stage__run=run, path__startswith="image:").delete()
    assert releases.release(run) is None


def test_a_release_that_is_commands_ships_nothing() -> None:
    made = releases.release(of_another_kind("commands: [git pull]"))
    assert made is not None
    assert (made.artifact, made.image, made.digest) == (None, "", "")


def test_a_green_release_goes_by_itself_where_the_full_ref_matches_and_nowhere_else() -> None:
    project = make_project()
    make_environment(project, "staging", automatic=True)
    make_environment(project, "production", automatic=True, ref_pattern="refs/tags/v*")
    make_environment(project, "by-hand")
    make_environment(make_project(), "staging", automatic=True)
    made = make_release(project)
    (deploy,) = Deploy.objects.all()
    assert (deploy.environment.name, deploy.release, deploy.automatic) == ("staging", made, True)
    assert deploy.asked_by == ""


@pytest.mark.parametrize("ref", ["refs/heads/x-v1.2.3", "refs/heads/v1.2.3", "refs/heads/tags/v1"])
def test_a_branch_named_like_a_tag_never_reaches_production(ref: str) -> None:
    project = make_project()
    make_environment(project, automatic=True, ref_pattern="refs/tags/v*")
    make_release(project, ref=ref)
    assert not Deploy.objects.exists()


def test_a_release_goes_by_itself_once_to_each_environment() -> None:
    project = make_project()
    environment = make_environment(project, automatic=True)
    made = make_release(project)
    releases.release(made.run)
    assert environment.deploys.count() == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        Deploy.objects.create(
            environment=environment,
            number=99,
            release=made,
            automatic=True,
            configuration=environment.configurations.get(),
            log=make_live(make_environment(project, "other")).log,
        )


def test_an_older_run_that_is_green_later_does_not_overtake_a_newer_one() -> None:
    project = make_project()
    environment = make_environment(project, automatic=True)
    older, newer = make_run(project), make_run(project)
    first = releases.release(finish_run(newer))
    late = releases.release(finish_run(older))
    assert first
    assert late
    assert (late.overtaken_by, first.overtaken_by) == (first, None)
    assert [deploy.release for deploy in environment.deploys.all()] == [first]
    assert requests.request(environment, late, "ada (#1)").release == late


def test_runs_that_are_green_in_their_order_are_deployed_one_after_the_other() -> None:
    environment = make_environment(automatic=True)
    made = [make_release(environment.project) for _ in range(2)]
    assert [deploy.release for deploy in environment.deploys.order_by("pk")] == made


def test_runs_of_other_refs_overtake_nothing() -> None:
    project = make_project()
    environment = make_environment(project, automatic=True, ref_pattern="refs/tags/v*")
    hotfix, newer = (make_run(project, kind=EventKind.TAG, ref=f"refs/tags/{tag}") for tag in ("v1.2.3", "v1.3.0"))
    for run in (newer, hotfix):
        assert releases.release(finish_run(run))
    assert environment.deploys.count() == 2


@pytest.mark.django_db(transaction=True)
def test_runs_that_are_green_at_once_leave_the_newest_last() -> None:
    project = make_project()
    environment = make_environment(project, automatic=True)
    for _ in range(4):
        runs = [finish_run(run) for run in [make_run(project) for _ in range(4)]]

        def cut(number: int, runs: list[Run] = runs) -> None:
            releases.release(Run.objects.select_related("project").get(pk=runs[number].pk))

        race(4, cut)
        asked = environment.deploys.order_by("pk").values_list("release__run__number", flat=True)
        assert list(asked) == sorted(asked)
        assert list(asked)[-1] == runs[-1].number


def test_an_automatic_deploy_takes_the_newest_configuration() -> None:
    project = make_project()
    environment = make_environment(project, automatic=True)
    configure(environment, {"COLOUR": "blue"})
    make_release(project)
    assert environment.deploys.get().configuration.values == {"COLOUR": "blue"}


def test_quarantine_cancels_what_waits_to_deploy_the_release_everywhere() -> None:
    project = make_project()
    first, second = (make_environment(project, name, automatic=True) for name in ("staging", "production"))
    bad = make_release(project)
    releases.quarantine(bad, "it loses orders")
    bad.refresh_from_db()
    assert bad.quarantined_at is not None
    for environment in (first, second):
        deploy = environment.deploys.get()
        assert deploy.status == Status.CANCELLED
        assert "quarantined: it loses orders" in deploy.reason
        assert deploy.log.closed_at is not None


def test_a_release_is_quarantined_for_the_first_reason_only() -> None:
    bad = make_release()
    releases.quarantine(bad, "first")
    releases.quarantine(bad, "second")
    bad.refresh_from_db()
    assert bad.quarantined_because == "first"


@pytest.mark.django_db(transaction=True)
def test_of_ten_racers_one_cuts_the_release_and_its_deploys_are_asked_for_once() -> None:
    project = make_project()
    environments = [make_environment(project, name, automatic=True) for name in ("staging", "production")]
    run = make_green_run(project)
    results = race(10, lambda _: releases.release(Run.objects.select_related("project").get(pk=run.pk)))
    assert {result.pk for result in results if isinstance(result, Release)} == {Release.objects.get().pk}
    assert len([result for result in results if isinstance(result, Release)]) == 10
    assert [environment.deploys.count() for environment in environments] == [1, 1]
    assert [environment.configurations.count() for environment in environments] == [1, 1]


@pytest.mark.django_db(transaction=True)
def test_runs_that_are_released_at_once_get_numbers_of_their_own() -> None:
    project = make_project()
    runs = [make_green_run(project) for _ in range(6)]
    race(6, lambda number: releases.release(Run.objects.select_related("project").get(pk=runs[number].pk)))
    assert sorted(project.releases.values_list("number", flat=True)) == [1, 2, 3, 4, 5, 6]
