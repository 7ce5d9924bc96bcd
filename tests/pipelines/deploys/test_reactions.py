"""What follows when an alarm goes off after a deploy."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pipelines.deploys import locks, reactions
from pipelines.deploys.models import Alarm, AlarmAction, AlarmKind
from tests.factories import begin_deploy, make_deploy, make_environment

pytestmark = pytest.mark.django_db


def test_an_alarm_that_locks_writes_its_environment_first_as_claims_do_so_that_neither_waits_for_ever() -> None:
    environment = make_environment()
    deploy = begin_deploy(make_deploy(environment))
    make_deploy(environment)  # the lock settles what waits
    kind, action = AlarmKind.URL, AlarmAction.LOCK
    alarm = Alarm.objects.create(environment=environment, name="pay", cause="nobody pays", kind=kind, action=action)
    with CaptureQueriesContext(connection) as asked:
        reactions.react(deploy, alarm, "503")
    writes = [query["sql"] for query in asked if query["sql"].startswith("UPDATE")]
    assert writes[0].startswith('UPDATE "deploys_environment"')
    assert [lock.reason for lock in locks.held(environment)] == ["alarm pay went off: nobody pays: 503"]
