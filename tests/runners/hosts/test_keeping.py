"""What stays on a host when old releases go: what runs there, and what it would be rolled back to."""

import pytest

from pipelines.deploys import rollbacks
from pipelines.deploys.models import DeployKind, Environment
from pipelines.states.status import Status
from tests import factories
from tests.lab.sshd import Sshd
from tests.runners.hosts.sites import bring, current, make_environment, make_release, perform, text_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def environment(hosts: list[Sshd]) -> Environment:
    """Release 4 is live; 2 and 3 came as far as the host's disk, so that 1 is what there is to go back to."""
    environment = make_environment(hosts[:1], keep_releases=2, on_breach="stop")
    for migrate in ("true", "exit 1", "exit 1", "true"):
        bring(environment, make_release(environment, migrate=migrate))
    environment.refresh_from_db()
    return environment


def kept(server: Sshd) -> list[str]:
    return sorted(path.name for path in (server.root / "shop/releases").iterdir())


def button(environment: Environment) -> int:
    """The release that the rollback button chooses by itself."""
    target = rollbacks.targets(environment, rollbacks.strays(environment)).first()
    assert target is not None
    return target.number


def test_the_release_to_go_back_to_stays_however_many_failed_since(hosts: list[Sshd], environment: Environment) -> None:
    assert (current(hosts[0]), button(environment)) == ("release 4", 1)
    assert "1" in kept(hosts[0])


@pytest.mark.parametrize("kind", [DeployKind.REPAIR, DeployKind.DEPLOY])
def test_the_live_release_once_more_leaves_the_one_to_go_back_to(
    hosts: list[Sshd], environment: Environment, kind: DeployKind
) -> None:
    assert environment.current is not None
    again = perform(factories.make_deploy(environment, environment.current, kind=kind, only=["web-1"]))
    assert again.status == Status.SUCCEEDED, text_of(again)
    assert button(environment) == 1
    assert {"1", "4"} <= set(kept(hosts[0]))
    back = perform(rollbacks.roll_back(environment, environment.project.releases.get(number=1), "ada (#1)"))
    assert "is here already" in text_of(back)
