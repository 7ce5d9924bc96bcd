"""What an environment keeps secret: which steps know it, and everything on both sides of SSH that does not."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.deploys.models import Alarm, AlarmAction, AlarmKind, Environment, EnvironmentSecret
from pipelines.outbox.models import Notice
from pipelines.states.status import Status
from tests import factories
from tests.lab.sshd import Sshd
from tests.runners.hosts.sites import bring, current, make_environment, make_release, on, text_of

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "s3cret-value-of-the-shop"
# Long enough to be seen by whoever looks at the list of processes all the time.
SHOW = 'echo "token: ${TOKEN:-unset}"; sleep 0.3'
ALL_KINDS: dict[str, Any] = {
    "migrate": SHOW,
    "activate": SHOW,
    "health": {"command": SHOW, "timeout_seconds": 5},
    "hooks": {"before": [{"run": SHOW}, {"run": SHOW, "once": True}], "after": [{"run": SHOW}]},
}


def keep_secret(environment: Environment, value: str = SECRET) -> None:
    EnvironmentSecret.objects.create(environment=environment, name="TOKEN", value=value)


@contextlib.contextmanager
def looking_at_processes(needle: str) -> Iterator[list[str]]:
    """Every command line of this machine, which is server and host, in which the needle was seen meanwhile."""
    seen: list[str] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            for process in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    line = (process / "cmdline").read_bytes().decode(errors="replace")
                    seen.extend([line] if needle in line else [])

    spy = threading.Thread(target=look)
    spy.start()
    try:
        yield seen
    finally:
        over.set()
        spy.join()


def others_read(file: Path, below: Path) -> bool:
    """Whether the file's mode, and that of each directory on the way to it, lets everybody in."""
    ways = [above for above in file.parents if above.is_relative_to(below) and above != below]
    return bool(file.stat().st_mode & 0o044) and all(above.stat().st_mode & 0o011 for above in ways)


def files_with(needle: str, below: Path) -> list[Path]:
    files = [path for path in below.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if needle.encode() in path.read_bytes()]


def test_secrets_are_in_no_log_no_list_of_processes_and_no_file_that_others_read(
    hosts: list[Sshd], caplog: pytest.LogCaptureFixture
) -> None:
    environment = make_environment(hosts[:1])
    keep_secret(environment)
    with looking_at_processes(SECRET) as seen:
        deploy = bring(environment, make_release(environment, **ALL_KINDS))
    assert deploy.status == Status.SUCCEEDED, text_of(deploy)
    assert seen == []
    assert text_of(deploy).count("token: ***") == 6
    assert SECRET not in text_of(deploy) + caplog.text + hosts[0].log()
    holding = files_with(SECRET, hosts[0].root)
    assert on(hosts[0], "current/.env") == f"TOKEN={SECRET}\n"
    assert [path for path in holding if others_read(path, hosts[0].root)] == []


def test_a_failure_that_quotes_a_secret_tells_nobody_what_it_is(
    hosts: list[Sshd], caplog: pytest.LogCaptureFixture
) -> None:
    environment = make_environment(hosts[:1])
    keep_secret(environment)
    health = {"command": 'echo "no entry for $TOKEN"; exit 1', "timeout_seconds": 1}
    deploy = bring(environment, make_release(environment, health=health))
    assert deploy.status == Status.FAILED
    row = deploy.hosts.select_related("host").get()
    told = [deploy.reason, row.reason, row.host.health_detail, *(str(notice.facts) for notice in Notice.objects.all())]
    assert "no entry for ***" in deploy.reason
    assert SECRET not in "\n".join([*told, text_of(deploy), caplog.text])


def test_the_secrets_of_an_environment_reach_its_own_steps_and_no_other_command(hosts: list[Sshd]) -> None:
    hear = 'echo "{} ${{TOKEN:-unset}}" >> /srv/heard'
    balancer = {"drain": hear.format("drain"), "attach": hear.format("attach"), "drain_seconds": 0.1}
    production = make_environment(hosts[:1], balancer_kind="command", balancer=balancer, watch_seconds=1)
    keep_secret(production)
    Alarm.objects.create(
        environment=production,
        name="errors",
        cause="users see errors",
        kind=AlarmKind.COMMAND,
        settings={"command": hear.format("alarm")},
        alert="ops@example.org",
        action=AlarmAction.UNDO,
    )
    staging = make_environment(hosts[:1], project=production.project, name=factories.unique("staging"))
    steps: dict[str, Any] = {"migrate": "", "activate": hear.format("activate"), "health": None}
    for environment, path in ((production, "/srv/shop"), (staging, "/srv/trial")):
        deploy = bring(environment, make_release(environment, **steps, path=path))
        assert deploy.status == Status.SUCCEEDED, text_of(deploy)
    heard = (hosts[0].root / "heard").read_text().splitlines()
    assert sorted(set(heard)) == [
        f"activate {SECRET}",
        "activate unset",
        "alarm unset",
        "attach unset",
        "drain unset",
    ]
    assert current(hosts[0])
    assert files_with(SECRET, hosts[0].root / "trial") == []
