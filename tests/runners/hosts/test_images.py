"""Releases that are images, on a real host with a real engine and a registry that asks for a password."""

import contextlib
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from docker import DockerClient
from docker.models.containers import Container

from pipelines.deploys import lifecycle, requests
from pipelines.deploys.models import Deploy, Environment, EnvironmentSecret, Release
from pipelines.deploys.rollbacks import roll_back
from pipelines.errors import LostRace
from pipelines.registries.models import Registry as Listed
from pipelines.states.status import Status
from runners.hosts import deploy as story
from tests import factories
from tests.lab.containers import PORT, Bakery
from tests.lab.door import door, visitors
from tests.lab.haproxy import haproxy
from tests.lab.load import users
from tests.lab.patience import until
from tests.lab.registry import Registry, registry
from tests.lab.sshd import Sshd, running_fleet
from tests.runners.hosts.sites import HOLD, bring, make_environment, perform, take_over, text_of

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "correct-horse-battery"
SECRET = "s3cret-value-of-the-shop"


@dataclass(slots=True)
class Site:
    """One host with an engine, on which one shop lives."""

    host: Sshd
    environment: Environment
    path: str
    bakery: Bakery

    @property
    def door(self) -> Path:
        """Where `activate` writes the port that has the traffic."""
        return self.here / "door"

    @property
    def here(self) -> Path:
        return self.host.root / Path(self.path).name

    def release(self, version: str, *, well: bool = True, crashes: bool = False, **deploy: Any) -> Release:
        release = factories.make_release(self.environment.project)
        release.image = self.bakery.bake(version, well=well, crashes=crashes)
        release.artifact = None
        release.deploy_spec = {
            "image": f"{self.bakery.repository}:{version}",
            "path": self.path,
            "container": {"name": self.bakery.name, "port": PORT, "stop_seconds": 10},
            "activate": "echo $SLIPWAY_PORT > ../../door.new && mv ../../door.new ../../door",
            "health": {"url": "http://127.0.0.1:$SLIPWAY_PORT/healthz", "timeout_seconds": 60 if well else 5},
            "strategy": {"waves": ["rest"]},
            **deploy,
        }
        release.save()
        return release

    def containers(self, **which: Any) -> list[Container]:
        return self.bakery.engine.containers.list(filters={"label": f"slipway.path={self.path}"}, **which)

    def running(self) -> list[str]:
        return [str(each.name) for each in self.containers()]

    def ask(self, path: str = "/") -> str:
        program = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{PORT}{path}').read().decode())"
        (serving,) = self.containers()
        _, output = serving.exec_run(["python3", "-c", program])
        assert isinstance(output, bytes)
        return output.decode().strip()


@pytest.fixture(scope="module")
def private_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry(tmp_path_factory.mktemp("registry"), "ada", PASSWORD) as one:
        yield one


@pytest.fixture
def site(tmp_path: Path, key_pair: tuple[str, str], private_registry: Registry, engine: DockerClient) -> Iterator[Site]:
    with running_fleet(tmp_path, 1, private_key=key_pair[0], public_key=key_pair[1]) as hosts:
        bakery = Bakery(engine, private_registry, "ada", PASSWORD)
        environment = make_environment(hosts)
        EnvironmentSecret.objects.create(environment=environment, name="TOKEN", value=SECRET)
        Listed.objects.create(host=private_registry.host, username="ada", password=PASSWORD)
        made = Site(hosts[0], environment, f"/srv/shop-{uuid.uuid4().hex[:8]}", bakery)
        yield made
        bakery.clear(made.path)


def deployed(site: Site, version: str, **deploy: Any) -> Deploy:
    done = bring(site.environment, site.release(version, **deploy))
    assert done.status == Status.SUCCEEDED, text_of(done)
    return done


def test_a_new_container_takes_over_without_a_failed_request(site: Site) -> None:
    deployed(site, "one")
    with door(site.door) as url, visitors(url) as load:
        until("visitors of the first", lambda: load.versions["one"] > 20)
        second = deployed(site, "two")
        until("visitors of the second", lambda: load.versions["two"] > 20)
        rollback = perform(roll_back(site.environment, site.environment.deploys.get(number=1).release, "ada (#1)"))
        time.sleep(0.5)
    assert rollback.status == Status.SUCCEEDED, text_of(rollback)
    assert load.failures == []
    assert set(load.versions) == {"one", "two"}
    assert f"stopped {site.bakery.name}-1" in text_of(second)


def test_behind_a_balancer_the_server_moves_to_the_new_containers_port(site: Site, tmp_path: Path) -> None:
    at = site.host.address.host
    container = {"name": site.bakery.name, "port": PORT, "address": at, "stop_seconds": 10}
    health = {"url": f"http://{at}:$SLIPWAY_PORT/healthz", "timeout_seconds": 60}
    with haproxy(tmp_path / "haproxy", {"web-1": f"{at}:1"}) as proxy:
        site.environment.balancer_kind, site.environment.balancer = "haproxy", proxy.settings()
        site.environment.save()
        deployed(site, "one", container=container, health=health, activate=None)
        with users(proxy.url) as seen:
            time.sleep(0.5)
            deployed(site, "two", container=container, health=health, activate=None)
            time.sleep(0.5)
    assert seen.failures == []
    assert set(seen.bodies) == {"one", "two"}


def test_the_record_knows_container_port_and_digest(site: Site) -> None:
    deploy = deployed(site, "one")
    facts = {"container": f"{site.bakery.name}-1", "port": int(site.door.read_text()), "image": deploy.release.digest}
    assert deploy.hosts.get().facts == facts
    assert site.environment.hosts.get().facts == facts
    assert site.running() == [facts["container"]]


def test_one_that_is_not_healthy_never_gets_the_traffic_and_goes(site: Site) -> None:
    deployed(site, "one")
    port = site.door.read_text()
    failed = bring(site.environment, site.release("sick", well=False))
    assert failed.status == Status.FAILED
    assert not failed.hosts.get().switched
    assert "not healthy within 5 s" in failed.hosts.get().reason
    assert "serving sick" in text_of(failed)
    assert site.door.read_text() == port
    assert [str(each.name) for each in site.containers(all=True)] == [f"{site.bakery.name}-1"]
    assert site.ask() == "one"


def test_one_that_crashes_shows_its_last_words(site: Site) -> None:
    failed = bring(site.environment, site.release("broken", crashes=True, health=None))
    assert failed.status == Status.FAILED
    assert "does not stay up" in failed.hosts.get().reason
    assert "no database" in text_of(failed)
    assert site.containers(all=True) == []


def test_after_a_failed_activation_the_old_one_which_never_stopped_is_gone_back_to(site: Site) -> None:
    deployed(site, "one")
    (identity,) = {each.id for each in site.containers()}
    half = "echo $SLIPWAY_PORT > ../../door.new && mv ../../door.new ../../door; sleep 1; exit 5"
    with door(site.door) as url, visitors(url) as load:
        failed = bring(site.environment, site.release("two", activate=half))
        assert failed.status == Status.FAILED
        assert failed.hosts.get().switched
        rollback = perform(Deploy.objects.get(undoes=failed))
        time.sleep(0.5)
    assert rollback.status == Status.SUCCEEDED, text_of(rollback)
    assert load.failures == []
    assert [each.id for each in site.containers()] == [identity]
    assert site.ask() == "one"


def test_a_rollback_starts_the_kept_container_again(site: Site) -> None:
    first = deployed(site, "one")
    identity = site.containers()[0].id
    deployed(site, "two")
    rollback = perform(roll_back(site.environment, first.release, "ada (#1)"))
    assert rollback.status == Status.SUCCEEDED, text_of(rollback)
    assert [each.id for each in site.containers()] == [identity]
    assert site.ask() == "one"


def test_a_rollback_brings_the_old_configuration_and_todays_secrets(site: Site) -> None:
    factories.configure(site.environment, {"COLOUR": "blue"})
    first = deployed(site, "one")
    identity = site.containers()[0].id
    factories.configure(site.environment, {"COLOUR": "red"})
    deployed(site, "two")
    assert site.ask("/env/COLOUR") == "red"
    secret = site.environment.secrets.get()
    secret.value = "rotated-since-then"
    secret.save()
    rollback = perform(roll_back(site.environment, first.release, "ada (#1)"))
    assert rollback.status == Status.SUCCEEDED, text_of(rollback)
    assert (site.ask(), site.ask("/env/COLOUR"), site.ask("/env/TOKEN")) == ("one", "blue", "rotated-since-then")
    assert [each.id for each in site.containers()] != [identity]


def test_the_same_release_again_gets_a_container_of_its_own(site: Site) -> None:
    first = deployed(site, "one")
    again = perform(requests.request(site.environment, first.release, "ada (#1)"))
    assert again.status == Status.SUCCEEDED, text_of(again)
    assert site.running() == [f"{site.bakery.name}-2"]


def test_old_containers_and_images_go_with_their_releases(site: Site) -> None:
    site.environment.keep_releases = 2
    site.environment.save()
    deploys = [deployed(site, f"v{number}") for number in range(1, 5)]
    kept = [f"{site.bakery.name}-{deploy.number}" for deploy in deploys[:1:-1]]
    assert [str(each.name) for each in site.containers(all=True)] == kept
    assert [site.bakery.has(deploy.release.image) for deploy in deploys] == [False, False, True, True]
    assert "removed image" in text_of(deploys[-1])


@contextlib.contextmanager
def spying(*secrets: str) -> Iterator[list[str]]:
    """Every command line of this machine in which one of these was seen."""
    seen: list[str] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    line = (process / "cmdline").read_bytes().decode(errors="replace")
                    seen.extend(line for secret in secrets if secret in line)

    spy = threading.Thread(target=look)
    spy.start()
    try:
        yield seen
    finally:
        over.set()
        spy.join()


def test_secrets_are_in_no_command_line_no_log_and_no_file_that_others_read(site: Site) -> None:
    with spying(SECRET, PASSWORD) as seen:
        deploy = deployed(site, "one", migrate='test -n "$TOKEN"', strategy={"waves": ["rest"]})
    assert seen == []
    assert site.ask("/env/TOKEN") == SECRET
    assert not {SECRET, PASSWORD} & set(text_of(deploy).split())
    inspected = site.containers()[0].attrs
    assert SECRET not in str(inspected["Config"]["Cmd"]) + str(inspected["Config"]["Labels"]) + str(inspected["Args"])
    files = [path for path in site.here.rglob("*") if path.is_file() and not path.is_symlink()]
    holding = [path for path in files if SECRET in path.read_text(errors="replace")]
    assert {path.stat().st_mode & 0o777 for path in holding} == {0o600}
    assert not [path for path in files if PASSWORD in path.read_text(errors="replace") or "auths" in path.read_text()]


def test_the_migration_runs_once_in_the_new_image_and_before_the_switch(site: Site) -> None:
    deployed(site, "one")
    port = site.door.read_text()
    deploy = bring(site.environment, site.release("two", migrate="grep -c two /shop.py; echo $SLIPWAY_RELEASE; exit 4"))
    assert deploy.status == Status.FAILED
    assert f"\n2\n{deploy.release.number}\n" in text_of(deploy)
    assert "migrate ended with status 4" in deploy.reason
    assert site.door.read_text() == port
    assert site.running() == [f"{site.bakery.name}-1"]


def test_a_cancelled_migration_leaves_no_container(site: Site) -> None:
    deploy = factories.make_deploy(site.environment, site.release("one", migrate="echo begun; sleep 300"))

    def cancel() -> None:
        while not site.containers():
            time.sleep(0.05)
        requests.cancel(deploy, "ada (#1)")
        connection.close()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    perform(deploy)
    canceller.join()
    assert deploy.status == Status.CANCELLED
    assert site.containers(all=True) == []


@pytest.mark.parametrize("where", ["health", "activate"])
def test_a_worker_that_takes_over_goes_on_with_the_same_container(site: Site, where: str) -> None:
    deployed(site, "one")
    slow: dict[str, dict[str, Any]] = {
        "health": {"health": {"command": f"touch ../../begun; {HOLD}; echo well", "timeout_seconds": 60}},
        "activate": {
            "activate": f"touch ../../begun; {HOLD}; echo $SLIPWAY_PORT > ../../door; echo ran >> ../../ledger"
        },
    }
    deploy = factories.make_deploy(site.environment, site.release("two", **slow[where]))
    claim = lifecycle.claim_deploy(deploy.pk, "worker-1")

    def lose() -> None:
        with contextlib.suppress(LostRace):
            story.run(claim)
        connection.close()

    worker = threading.Thread(target=lose)
    worker.start()
    until("the step", (site.here / "begun").exists)
    identities = {each.id for each in site.containers(all=True)}
    letting_go = threading.Timer(1, (site.here / "let-go").touch)
    take_over(deploy, once_taken=letting_go.start)
    worker.join()
    assert deploy.status == Status.SUCCEEDED, text_of(deploy)
    assert {each.id for each in site.containers(all=True)} == identities
    assert site.running() == [f"{site.bakery.name}-2"]
    if where == "activate":
        assert (site.here / "ledger").read_text() == "ran\n"


def test_a_registry_that_refuses_us_stops_the_deploy_before_anything_changes(site: Site) -> None:
    Listed.objects.update(password="wrong-password")
    failed = bring(site.environment, site.release("one"))
    assert failed.status == Status.FAILED
    assert "as ada failed" in failed.hosts.get().reason
    assert site.containers(all=True) == []
