"""The story of a stage that builds an image: from the workspace to a registry, without an engine in any container.

No secret reaches a build: what is given to one can be read out of the image by everybody who has it.
"""

from collections.abc import Callable
from contextlib import closing

from django.conf import settings

from pipelines.runs import output
from pipelines.runs.models import Artifact, Attempt
from pipelines.spec.model import BuildSpec, StageSpec
from pipelines.states.status import Status
from runners.containers import commits, contexts, dockerfiles
from runners.containers.beside import BuildPlan, Built
from runners.containers.executor import Executor, Ownership
from runners.containers.listening import Verdict, Watch
from runners.containers.registries import credentials_of, must_ask, push_credential
from runners.containers.resources import limits_of
from runners.recorder import Recorder

IMAGE = "image:"


def build(executor: Executor, attempt: Attempt, spec: StageSpec, watch: Watch, recorder: Recorder) -> Verdict:
    """Build the stage's image, push it if it is to be, and record its digest as artifacts `image:<tag>`.

    After a takeover all is done again: the engine ends a build whose runner has died. Raises UserErrors in words,
    Stopped when the watch says so, and LostLease.
    """
    assert spec.build is not None
    say = _saying(recorder)
    if attempt.log.raw_size:
        recorder.note("the runner before this one has died: building again")
    for tag in spec.build.tags if spec.build.push else ():
        push_credential(attempt.stage.run, tag)  # refused before anything is built
    built = _built(executor, attempt, spec, spec.build, watch, recorder)
    rows = []
    for tag in spec.build.tags:
        digest = built.image
        if spec.build.push:
            credential = push_credential(attempt.stage.run, tag)
            digest = executor.builds.push(built, tag, credential, watch.check, say)
            recorder.note(f"pushed {tag} as {digest}")
        rows.append(_record(tag, digest, built))
    rows = rows or [_record(attempt.stage.name, built.image, built)]
    recorder.finish()
    output.keep(attempt, rows)
    return Verdict(Status.SUCCEEDED, exit_code=0)


def _built(
    executor: Executor, attempt: Attempt, spec: StageSpec, build: BuildSpec, watch: Watch, recorder: Recorder
) -> Built:
    dockerfiles.check_args(build.args)
    commit = commits.awaited(commits.begun(attempt.stage.run), watch.check)
    draft, text = contexts.assemble(attempt.stage, build, commit, watch.check)
    with closing(draft):
        dockerfiles.check(text)
        try:
            return executor.builds.build(_plan(attempt, spec, build, text), draft, watch.check, _saying(recorder))
        finally:
            recorder.finish()


def _plan(attempt: Attempt, spec: StageSpec, build: BuildSpec, dockerfile: str) -> BuildPlan:
    run = attempt.stage.run
    return BuildPlan(
        owner=Ownership(run=run.pk, stage=attempt.stage_id, attempt=attempt.number),
        name=f"{run.project_id} {attempt.stage.name}",
        file=contexts.DOCKERFILE,
        args=build.args,
        target=build.target,
        labels={
            "org.opencontainers.image.revision": run.sha,
            "org.opencontainers.image.source": run.project.name,
            "slipway.url": f"{settings.SLIPWAY_URL}/projects/{run.project.name}/runs/{run.number}/",
        },
        limits=limits_of(spec.resources),
        credentials=credentials_of(run),
        ask=must_ask(run, dockerfiles.bases(dockerfile)),
    )


def _record(tag: str, digest: str, built: Built) -> Artifact:
    path = f"{IMAGE}{tag}"[:255]
    return Artifact(path=path, digest=digest.removeprefix("sha256:"), size=built.size, storage_name="")


def _saying(recorder: Recorder) -> Callable[[str], None]:
    def say(text: str) -> None:
        recorder.feed(text.encode(errors="replace"))

    return say
