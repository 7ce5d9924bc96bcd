"""The runners as the pages know them: who may be given stages, and how many are taken."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.roster import queries as roster
from pipelines.runs import waiting
from pipelines.runs.models import Attempt
from pipelines.states.status import Status

DRAWN = 60  # places


@dataclass(frozen=True, slots=True)
class Fleet(waiting.Fleet):
    """With what the rail of the first page shows."""

    @property
    def busy(self) -> int:
        return self.total - self.free

    @property
    def places(self) -> Sequence[bool]:
        """Of each place whether it is taken, the taken ones first; of very many only the first."""
        return [place < self.busy for place in range(min(self.total, DRAWN))]


def fleet() -> Fleet:
    """Who may be given stages now, in two queries."""
    labels = roster.stage_labels()
    owners = Attempt.objects.filter(status=Status.RUNNING).values_list("owner", flat=True)
    busy = len(set(owners) & labels.keys())
    return Fleet(list(labels.values()), len(labels) - busy, len(labels))
