"""Values that are the same wherever they are asked for or told."""

from datetime import UTC, datetime
from typing import Annotated

from django.conf import settings
from ninja import Schema
from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

PRINTABLE = r"^[^\x00]*$"
Short = Annotated[str, StringConstraints(max_length=200, pattern=PRINTABLE)]
Why = Annotated[str, StringConstraints(max_length=300, pattern=PRINTABLE)]
Ref = Annotated[str, StringConstraints(max_length=255, pattern=PRINTABLE)]
Named = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Value = Annotated[str, StringConstraints(max_length=65_536, pattern=PRINTABLE)]
Number = Annotated[int, Field(ge=1, le=2**31 - 1)]


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("this is no moment of any calendar") from error


Moment = Annotated[AwareDatetime, AfterValidator(_utc)]


def page(path: str) -> str:
    """The address of a page of this server."""
    return f"{settings.SLIPWAY_URL}{path}"


class Reasoned(Schema):
    """Why, in words that others will read."""

    why: Why = ""


class Secret(Schema):
    """A value that is written and never told: at least 8 bytes, so that it can be masked in logs."""

    value: Value = Field(min_length=8, examples=["correct horse battery staple"])
