"""Pure: a rule of a project's messages as a sentence."""

from collections.abc import Sequence

from pipelines.notifications.models import Rule, Topic

_OF_DEPLOYS = {
    Topic.DEPLOY_BEGUN: "begins",
    Topic.DEPLOY_SUCCEEDED: "succeeds",
    Topic.DEPLOY_FAILED: "fails",
    Topic.DEPLOY_ASKS: "waits for a person",
}
_THERE = {
    Topic.OVERRULED: "somebody overrules a lock, a freeze or an approval",
    Topic.ALARM: "an alarm goes off",
    Topic.DRIFT: "hosts differ from the record or fall ill",
}


def sentence(rule: Rule, default_branch: str) -> str:
    """What the recipient hears, to be read after its name: hears when main breaks or is mended."""
    if rule.is_digest:
        return f"hears a digest every day at {rule.digest_at:%H:%M}, {rule.time_zone}"
    parts = [*_runs(rule, _listed(rule.refs or [default_branch], "or")), *_deploys(rule)]
    return f"hears when {'; when '.join(parts)}"


def _runs(rule: Rule, refs: str) -> list[str]:
    verbs = {Topic.RUN_FAILED: "breaks", Topic.RUN_SUCCEEDED: "is mended"}
    if not rule.only_changes:
        verbs = {Topic.RUN_FAILED: "fails", Topic.RUN_SUCCEEDED: "succeeds"}
    told = [verb for topic, verb in verbs.items() if topic in rule.topics]
    who = refs if rule.only_changes else f"a run of {refs}"
    verdicts = [f"{who} {_listed(told, 'or')}"] if told else []
    return [*verdicts, *([f"a run of {refs} waits for approval"] if Topic.RUN_ASKS in rule.topics else [])]


def _deploys(rule: Rule) -> list[str]:
    where = _listed(rule.environments, "or") if rule.environments else ""
    told = [verb for topic, verb in _OF_DEPLOYS.items() if topic in rule.topics]
    deploys = [f"a deploy{f' to {where}' if where else ''} {_listed(told, 'or')}"] if told else []
    there = [f"{words}{f' in {where}' if where else ''}" for topic, words in _THERE.items() if topic in rule.topics]
    return [*deploys, *there]


def _listed(words: Sequence[str], last: str) -> str:
    """a; a or b; a, b or c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
