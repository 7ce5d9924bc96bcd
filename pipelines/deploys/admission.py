"""Whether a deploy may go to the hosts that were listed just now; nothing has been touched yet."""

from collections.abc import Sequence

from pipelines.deploys import plans, waits
from pipelines.deploys.models import Deploy, Waits
from pipelines.deploys.plans import Listed
from pipelines.deploys.protection import gates
from pipelines.deploys.waits import SetAside

_NAMED = 20  # hosts that are missing


def admit(deploy: Deploy, listed: Sequence[Listed]) -> None:
    """Take these hosts, all that the inventory lists, for those of the deploy.

    Raises SetAside when people are to be asked before: because many hosts are missing, or because these are others
    than those that were agreed to.
    """
    plan = plans.fingerprint(deploy, listed)
    gone, before = plans.missing(deploy.environment, listed)
    if plans.is_big_drop(deploy.environment, gone, before) and deploy.accepted_hosts != plan:
        reason = f"the inventory lists {len(listed)} hosts, and not {gone} of the {before} of before: are these all?"
        reason += f" Not listed: {', '.join(plans.absent(deploy.environment, listed)[:_NAMED])}"
        waits.put_back(deploy, Waits.HOSTS, reason, plan=plan)
        raise SetAside(reason)
    plans.note_plan(deploy, plan, listed)
    if refusal := gates.disagreement(deploy, plan):
        waits.put_back(deploy, Waits.APPROVAL, f"its hosts are others than were agreed to: {refusal.reason}")
        raise SetAside(refusal.reason)
