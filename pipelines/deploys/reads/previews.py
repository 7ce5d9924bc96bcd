"""What would change if a release were deployed to an environment now: nothing is written, nobody is asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from pipelines.deploys import requests, rules, strategies
from pipelines.deploys.models import Configuration, Deploy, Environment, Host, Release, Waits
from pipelines.deploys.protection import gates
from pipelines.deploys.protection.gates import Refusal
from pipelines.deploys.reads import commits
from pipelines.deploys.reads.commits import Commits
from pipelines.deploys.reads.queries import Change, changes, live_deploy, usual_seconds
from pipelines.deploys.strategies import Caution
from pipelines.errors import UserError
from pipelines.spec.installation import StrategySpec


@dataclass(frozen=True, slots=True)
class Preview:
    """`impossible`: why it may never go there, whoever asks. `refusals`: what keeps it away now, and a deploy that is
    asked for now would wait for. `waves` are the hosts as they were last listed; `problem` why there are none."""

    environment: Environment
    release: Release
    impossible: str
    refusals: Sequence[Refusal]
    commits: Commits | None
    backwards: bool
    old: Configuration | None
    new: Configuration | None
    changes: Sequence[Change]
    secrets: int
    strategy: StrategySpec
    caution: Caution
    waves: Sequence[Sequence[Host]]
    problem: str
    ahead: int
    usual_seconds: float | None

    @property
    def migrate(self) -> str:
        """The command that changes the database; empty without one."""
        return str(self.release.deploy_spec.get("migrate") or "")

    @property
    def irreversible(self) -> bool:
        return bool(self.release.deploy_spec.get("irreversible"))

    @property
    def hosts(self) -> int:
        return sum(map(len, self.waves))

    @property
    def asks(self) -> bool:
        """Whether all that it would wait for is people's agreement, which is asked for by deploying."""
        return bool(self.refusals) and all(one.waits_for == Waits.APPROVAL for one in self.refusals)


def preview(environment: Environment, release: Release, actor: str) -> Preview:
    """As `actor` would ask for it."""
    live = live_deploy(environment)
    new = environment.configurations.order_by("version").last()
    tried = _tried(environment, release, new, actor)
    strategy = requests.strategy(tried)
    hosts = environment.hosts.filter(gone_at=None).select_related("release").order_by("name")
    waves, problem = _waves(strategy, hosts)
    current = environment.current
    return Preview(
        environment=environment,
        release=release,
        impossible=impossible(environment, release),
        refusals=[one for one in gates.refusals(tried) if one.waits_for],
        commits=commits.between(current, release) if current != release else None,
        backwards=bool(current and current.number > release.number),
        old=live.configuration if live else None,
        new=new,
        changes=changes(live.configuration.values if live else {}, new.values if new else {}),
        secrets=environment.secrets.count(),
        strategy=strategy,
        caution=requests.caution(tried, len(hosts)),
        waves=waves,
        problem=problem,
        ahead=environment.deploys.filter(finished_at=None).count(),
        usual_seconds=usual_seconds(environment),
    )


def impossible(environment: Environment, release: Release) -> str:
    """Why the environment never takes the release; empty when it does."""
    if release.quarantined_at:
        return f"release {release.number} is quarantined: {release.quarantined_because}"
    if not rules.takes(environment.ref_pattern, release.ref):
        return f"{environment.name} takes {environment.ref_pattern}; release {release.number} is of {release.ref}"
    return ""


def _tried(environment: Environment, release: Release, configuration: Configuration | None, actor: str) -> Deploy:
    """The deploy as it would be; it is no row, so that its key, 0, is nobody's and nothing has been said on it."""
    known = configuration or Configuration(environment=environment, version=1, values={})
    return Deploy(pk=0, environment=environment, release=release, configuration=known, asked_by=actor)


def _waves(strategy: StrategySpec, hosts: QuerySet[Host]) -> tuple[Sequence[Sequence[Host]], str]:
    listed = list(hosts)
    if not listed:
        return (), "no host is known yet: the inventory is asked when a deploy begins"
    try:
        return strategies.waves(strategy, listed), ""
    except UserError as error:
        return (), str(error)
