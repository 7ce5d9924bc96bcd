"""The way back: what rolling an environment back would change."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.deploys import flips, rollbacks, rules
from pipelines.deploys.models import Configuration, Deploy, DeployKind, Environment, HostDeploy, Release
from pipelines.deploys.protection import gates
from pipelines.deploys.reads import commits
from pipelines.deploys.reads.commits import Commits
from pipelines.deploys.reads.queries import Change, changes, live_deploy, usual_seconds
from pipelines.deploys.requests import configuration_of, strategy
from pipelines.spec.installation import StrategySpec


@dataclass(frozen=True, slots=True)
class Way:
    """What going back to `target` would change.

    `strays` are the hosts that may run something else than what is live; `quarantines` what the way leaves for good.
    `between` are the releases that lie on it, newest first, and `commits` what they hold: taken back, or brought when
    `forward`. `flips` is the host group that the traffic is only turned back to; empty when it is deployed again.
    `refused`: why it would have to wait.
    """

    target: Release
    strays: Sequence[HostDeploy]
    quarantines: Sequence[Release]
    forward: bool
    between: Sequence[Release]
    commits: Commits | None
    old: Configuration | None
    new: Configuration
    changes: Sequence[Change]
    secrets: int
    others: Sequence[Release]
    hosts: int
    usual_seconds: float | None
    strategy: StrategySpec
    flips: str
    refused: str

    @property
    def migrates(self) -> bool:
        """Whether what it leaves may have changed the database."""
        return any(release.deploy_spec.get("migrate") for release in self.quarantines)

    @property
    def cannot_be_undone(self) -> Sequence[Release]:
        """Of what it takes back, the releases whose migration says so of itself."""
        taken = {release.pk: release for release in (*self.quarantines, *(() if self.forward else self.between))}
        return [release for release in taken.values() if release.deploy_spec.get("irreversible")]

    @property
    def authors(self) -> list[str]:
        return sorted({release.author for release in self.between if release.author})


def way_back(
    environment: Environment, number: int | None = None, actor: str = "", *, live: Deploy | None = None, limit: int = 20
) -> Way | None:
    """What rolling back to release `number` would change, as `actor` would ask for it.

    Without a number, to the button's own choice. `live`: what `live_deploy` gives, where the caller has asked already.

    None when there is nothing to go back to, or `number` is not among what can be gone back to.
    """
    astray = rollbacks.strays(environment)
    targets = list(rollbacks.targets(environment, astray)[:limit])
    target = next((release for release in targets if number in (None, release.number)), None)
    if target is None:
        return None
    left = rollbacks.taken_back(environment, target, astray)
    start = environment.current if target != environment.current else left[-1] if left else None
    live = live or live_deploy(environment)
    old, new = live.configuration if live else None, configuration_of(environment, target)
    tried = Deploy(  # no row: its key is nobody's
        pk=0, kind=DeployKind.ROLLBACK, environment=environment, release=target, configuration=new, asked_by=actor
    )
    refusal = gates.why_not(tried)
    return Way(
        target=target,
        strays=astray,
        quarantines=left,
        forward=start is not None and target.number > start.number,
        between=_between(environment, target, start, limit) if start else [],
        commits=commits.between(start, target) if start and start != target else None,
        old=old,
        new=new,
        changes=changes(old.values if old else {}, new.values),
        secrets=environment.secrets.count(),
        others=[release for release in targets if release != target],
        hosts=environment.hosts.filter(gone_at=None).count(),
        usual_seconds=usual_seconds(environment),
        strategy=strategy(tried),
        flips=flips.group_with(environment, target),
        refused=refusal.reason if refusal else "",
    )


def _between(environment: Environment, target: Release, start: Release, limit: int) -> list[Release]:
    low, high = sorted((target.number, start.number))
    passed = Release.objects.filter(project=environment.project_id, number__gt=low, number__lte=high)
    return [r for r in passed.order_by("-number")[:limit] if rules.takes(environment.ref_pattern, r.ref)]
