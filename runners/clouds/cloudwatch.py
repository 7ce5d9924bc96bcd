"""CloudWatch: the state of one alarm."""

from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from pipelines.errors import SystemFault, UserError
from runners.clouds.aws import PATIENCE, Credentials

_THROTTLED = ("RequestLimitExceeded", "Throttling", "InternalFailure", "InternalServiceError", "ServiceUnavailable")


class NoSuchAlarm(UserError):
    """CloudWatch has no alarm of that name there, or does not let us see it."""


class AlarmNotAsked(SystemFault):
    """CloudWatch did not answer."""


@dataclass(frozen=True, slots=True)
class AlarmState:
    """`reason` is CloudWatch's own sentence. Too little data is no alarm."""

    is_alarm: bool
    reason: str


def state_of(name: str, region: str, secret: str = "", endpoint_url: str | None = None) -> AlarmState:
    """The state of a metric's or a composite alarm. Raises NoSuchAlarm or AlarmNotAsked, within a minute."""
    try:
        answer = _client(region, secret, endpoint_url).describe_alarms(
            AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        kind = AlarmNotAsked if code.startswith(_THROTTLED) else NoSuchAlarm
        raise kind(f"CloudWatch in {region}: {error}. Check the credentials and their rights.") from error
    except (BotoCoreError, ValueError) as error:
        raise AlarmNotAsked(f"CloudWatch in {region} could not be asked: {error}") from error
    found = [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]
    if not found:
        raise NoSuchAlarm(f"CloudWatch in {region} has no alarm named {name}")
    return AlarmState(found[0]["StateValue"] == "ALARM", str(found[0].get("StateReason", "")))


def _client(region: str, secret: str, endpoint_url: str | None) -> Any:
    given = Credentials.parse(secret)
    # A session of its own: boto3's default one is not safe to use from several threads.
    session: Any = boto3.session.Session(
        aws_access_key_id=given.access_key_id if given else None,
        aws_secret_access_key=given.secret_access_key if given else None,
    )
    return session.client("cloudwatch", region_name=region, endpoint_url=endpoint_url, config=PATIENCE)
