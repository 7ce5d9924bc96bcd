"""The API put together: who is let in, what is there, how errors are told."""

from server.api import (
    audit,
    badges,
    deploy_acts,
    deploys,
    environment_acts,
    environments,
    events,
    figures,
    fleet,
    hosts,
    logs,
    me,
    members,
    messages,
    pipeline,
    problems,
    releases,
    retention,
    run_acts,
    runs,
    schedules,
    search,
    secrets,
    setup,
    streams,
    tests,
    tokens,
    variables,
    wall,
)
from server.api.callers import Session, Token
from server.api.description import Described
from server.api.limits import PerCaller

api = Described(
    title="Slipway",
    version="1",
    description="Pipelines, releases and deploys of a Slipway server.",
    urls_namespace="api",
    auth=[Token(), Session()],
    throttle=PerCaller(),
    docs_url=None,
)
problems.install(api)
_CI = (me, runs, run_acts, tests, logs, streams, events, schedules, pipeline, figures)
_CD = (releases, environments, environment_acts, hosts, variables, deploys, deploy_acts)
_WHOSE = (setup, secrets, members, tokens, messages, retention, badges)
for module in (*_CI, *_CD, *_WHOSE, fleet, wall, search, audit):
    api.add_router("", module.router)
