"""Records for tests, made the way the product makes them: through the lifecycle functions, step by step.

Names and commits are unique per call, so that tests may run beside each other on one database.
"""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import Group, User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from pipelines.deploys import lifecycle as deploying
from pipelines.deploys import releases, requests
from pipelines.deploys.lifecycle import Listed
from pipelines.deploys.models import (
    Credential,
    Deploy,
    DeployKind,
    Environment,
    HostDeploy,
    HostKey,
    Phase,
    Release,
)
from pipelines.logs.marks import StepMark
from pipelines.projects.models import Member, Project, Role, Secret
from pipelines.runs import lifecycle, output
from pipelines.runs.models import Artifact, Attempt, Event, EventKind, Run, Stage
from pipelines.runs.receiving import Incoming, receive
from pipelines.spec.model import PipelineSpec, StageSpec, StepSpec
from pipelines.spec.parser import parse
from pipelines.states.status import Status

SPEC = """\
image: busybox
stages:
  build:
    steps:
      - echo building
      - mkdir -p dist && date > dist/built
    artifacts: [dist/]
  test:
    needs: [build]
    steps: [echo testing]
deploy:
  artifact: dist/
  path: /srv/shop
  activate: touch /srv/shop/restart
  health: {command: "true", timeout: 5s}
"""
OWNER = "test-worker-1"
_serial = itertools.count(1)


def unique(prefix: str) -> str:
    return f"{prefix}-{next(_serial)}"


def make_sha(seed: str = "") -> str:
    """A commit id: always the same for a seed, always another without one."""
    return hashlib.sha1((seed or unique("commit")).encode()).hexdigest()


def make_project(name: str = "", **fields: Any) -> Project:
    return Project.objects.create(**{"name": name or unique("project"), "clone_url": "/srv/git/shop.git", **fields})


def make_person(
    name: str = "", project: Project | None = None, role: Role = Role.DEVELOPER, password: str | None = None
) -> User:
    """A person; with a project, in a team of their own that has `role` in it."""
    person = User.objects.create_user(name or unique("person"), password=password)
    if project is not None:
        join(person, project, role)
    return person


def make_operator(name: str = "", password: str | None = None) -> User:
    return User.objects.create_superuser(name or unique("operator"), password=password)


def join(person: User, project: Project, role: Role) -> Member:
    team = Group.objects.create(name=unique("team"))
    person.groups.add(team)
    return Member.objects.create(project=project, team=team, role=role)


def make_secret(project: Project, name: str = "TOKEN", value: str = "s3cret-value-1") -> Secret:
    return Secret.objects.create(project=project, name=name, value=value)


def make_event(
    project: Project,
    *,
    kind: EventKind = EventKind.PUSH,
    ref: str = "refs/heads/main",
    sha: str = "",
    **fields: Any,
) -> Event:
    """Something received from the code host; `fields` are those of Incoming."""
    known = {"name": "push", "delivery_id": unique("delivery"), "title": "Add a thing", "author": "Ada Example"}
    return receive(
        project, Incoming(kind=kind, ref=ref, sha=sha or make_sha(), **{**known, "actor": "ada", **fields})
    ).event


def make_run(project: Project | None = None, *, spec: str | PipelineSpec | None = SPEC, **fields: Any) -> Run:
    """A run that a push started; planned from `spec`, or still queued when that is None. `fields` as make_event's."""
    run = make_event(project or make_project(), **fields).run
    assert run is not None, "this event starts no run"
    if spec is not None:
        plan(run, spec)
    return run


def plan(run: Run, spec: str | PipelineSpec = SPEC) -> None:
    digest = hashlib.sha256(repr(spec).encode()).hexdigest()
    title, author = run.title or "Add a thing", run.author or "Ada Example"
    parsed = parse(spec) if isinstance(spec, str) else spec
    lifecycle.plan(run, parsed, sha=run.sha or make_sha(), digest=digest, title=title, author=author)
    run.refresh_from_db()


def make_stage_spec(name: str, *needs: str, **fields: Any) -> StageSpec:
    """A stage as it is planned: one step, and nothing implicit."""
    step = StepSpec(name="true", run="true")
    return StageSpec(**{"name": name, "base": name, "image": "busybox", "steps": (step,), "needs": needs, **fields})


def make_spec(*stages: StageSpec, **fields: Any) -> PipelineSpec:
    return PipelineSpec(image="busybox", env={}, stages=stages, **fields)


def start_stage(run: Run, name: str = "") -> Attempt:
    """Claim the named stage, or the first that is queued, for a worker of ours."""
    queued = run.stages.filter(status=Status.QUEUED).order_by("position")
    stage: Stage = queued.get(name=name) if name else queued[0]
    attempt = lifecycle.claim_stage(stage.pk, OWNER).attempt
    lifecycle.note_container(attempt, hashlib.sha256(str(attempt.pk).encode()).hexdigest())
    return attempt


def print_steps(attempt: Attempt, outputs: Sequence[bytes], codes: Sequence[int] = ()) -> None:
    """Write each step's output between its marks; the steps without a code stay open."""
    for position, text in enumerate(outputs):
        at = attempt.log.size
        marks = [StepMark(position, at, begins=True)]
        if position < len(codes):
            marks.append(StepMark(position, at + len(text), begins=False, exit_code=codes[position]))
        output.append(attempt, text, at + len(text), marks)


def finish_stage(
    run: Run,
    name: str = "",
    status: Status = Status.SUCCEEDED,
    *,
    text: bytes = b"done\n",
    exit_code: int | None = None,
) -> Attempt:
    """Run one stage from claim to verdict; a stage that succeeds leaves the artifacts that its spec names.

    One that ends errored does so each time that it is tried again.
    """
    attempt = start_stage(run, name)
    code = exit_code if exit_code is not None else int(status != Status.SUCCEEDED)
    print_steps(attempt, [text], [code])
    if status == Status.SUCCEEDED:
        for path in attempt.stage.spec["artifacts"]:
            make_artifact(attempt, path)
    reason = "" if status == Status.SUCCEEDED else f"step 1 ended with code {code}"
    lifecycle.finish_attempt(attempt, status, reason=reason, exit_code=code)
    run.refresh_from_db()
    if Stage.objects.filter(pk=attempt.stage_id, status=Status.QUEUED).update(ready_at=None):
        return finish_stage(run, attempt.stage.name, status, text=text, exit_code=exit_code)
    return attempt


def make_artifact(attempt: Attempt, path: str = "dist/", data: bytes = b"an archive") -> Artifact:
    digest = hashlib.sha256(data).hexdigest()
    name = default_storage.save(f"artifacts/{unique('artifact')}.tar", ContentFile(data))
    return Artifact.objects.create(attempt=attempt, path=path, digest=digest, size=len(data), storage_name=name)


def finish_run(run: Run, status: Status = Status.SUCCEEDED) -> Run:
    """Finish every stage that can run; with a bad `status` the last of them ends so."""
    while run.stages.filter(status=Status.QUEUED).exists():
        left = run.stages.exclude(finished_at__isnull=False).count()
        finish_stage(run, status=status if left == 1 else Status.SUCCEEDED)
    run.refresh_from_db()
    return run


def make_green_run(project: Project | None = None, **fields: Any) -> Run:
    return finish_run(make_run(project, **fields))


def make_red_run(project: Project | None = None, **fields: Any) -> Run:
    return finish_run(make_run(project, **fields), Status.FAILED)


def make_release(project: Project | None = None, **fields: Any) -> Release:
    """A release of a green push run. Environments that deploy by themselves get their deploy queued."""
    release = releases.release(make_green_run(project, **fields))
    assert release is not None, "this run is not deployable"
    return release


def make_credential(name: str = "") -> Credential:
    return Credential.objects.create(
        name=name or unique("key"), private_key="no key at all", public_key="ssh-ed25519 AAAA test"
    )


def make_environment(
    project: Project | None = None, name: str = "production", hosts: Sequence[str] = ("web-1", "web-2"), **fields: Any
) -> Environment:
    listed = [{"name": host, "address": f"127.0.9.{place}"} for place, host in enumerate(hosts, 1)]
    return Environment.objects.create(
        **{
            "project": project or make_project(),
            "name": name,
            "inventory": {"hosts": listed},
            "credential": make_credential(),
            **fields,
        }
    )


def make_host_key(environment: Environment, address: str = "127.0.9.1", port: int = 22) -> HostKey:
    return HostKey.objects.create(
        environment=environment,
        address=address,
        port=port,
        key_type="ssh-ed25519",
        public_key="AAAAC3NzaC1lZDI1NTE5AAAAIA==",
        fingerprint=f"SHA256:{unique('fingerprint')}",
        pinned_by="ada (#1)",
    )


def make_deploy(environment: Environment, release: Release | None = None, **fields: Any) -> Deploy:
    """A queued deploy; of a new release when none is given. `fields` as those of `requests.insert`."""
    return requests.insert(environment, release or make_release(environment.project), **fields)


def begin_deploy(deploy: Deploy) -> Deploy:
    """Claim it and freeze its hosts as the environment lists them: the first alone, then the rest."""
    claimed = deploying.claim_deploy(deploy.pk, OWNER).deploy
    listed = [Listed(host["name"], host["address"]) for host in claimed.environment.inventory["hosts"]]
    deploying.freeze(claimed, [wave for wave in (listed[:1], listed[1:]) if wave])
    return claimed


def finish_host(
    deploy: Deploy, name: str, status: Status = Status.SUCCEEDED, reason: str = "", phase: Phase = Phase.HEALTH
) -> HostDeploy:
    """Take one host through its phases up to `phase`, then give it its verdict."""
    row: HostDeploy = deploy.hosts.select_related("log", "host", "deploy").get(host__name=name)
    row.deploy = deploy
    deploying.start_host(row)
    for passed in list(Phase)[1 : list(Phase).index(phase) + 1]:
        deploying.note_phase(row, passed)
        text = f"{name}: {passed.label.lower()}\n".encode()
        deploying.append_output(deploy, row.log, text, row.log.size + len(text))
    deploying.finish_host(row, status, reason)
    return row


def finish_deploy(deploy: Deploy, status: Status = Status.SUCCEEDED, reason: str = "") -> Deploy:
    """Begin a queued deploy and end it. One that fails does so on its first host, after the switch."""
    claimed = begin_deploy(deploy)
    for row in list(claimed.hosts.select_related("host").order_by("wave", "host__name")):
        if status != Status.SUCCEEDED:
            finish_host(claimed, row.host.name, status, reason or "health check said 500")
            break
        finish_host(claimed, row.host.name)
    deploying.finish_deploy(claimed, status, reason)
    deploy.refresh_from_db()
    deploy.environment.refresh_from_db()
    return deploy


def make_live(environment: Environment, release: Release | None = None, **fields: Any) -> Deploy:
    """A deploy that went well: `release` is live in `environment` afterwards."""
    deploy = finish_deploy(make_deploy(environment, release, **fields))
    environment.refresh_from_db()
    return deploy


def make_rollback(environment: Environment, to: Release, **fields: Any) -> Deploy:
    return make_deploy(environment, to, kind=DeployKind.ROLLBACK, **fields)


def configure(environment: Environment, values: Mapping[str, str], actor: str = "ada (#1)") -> None:
    requests.change_configuration(environment, dict(values), actor)


def list_hosts(environment: Environment, names: Sequence[str]) -> None:
    """Host rows as a first look at the inventory would leave them, without any deploy."""
    for place, name in enumerate(names, 1):
        environment.hosts.create(name=name, address=f"127.0.9.{place}", listed_at=timezone.now())
