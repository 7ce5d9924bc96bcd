"""Lists, portion by portion: a cursor names the last thing of the portion before."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from ninja import Field, Schema
from ninja.errors import HttpError

T = TypeVar("T")
Shape = TypeVar("Shape")
MOST = 100
_MAX = 2**31 - 1


class Paging(Schema):
    """`limit` things at most, after the one that `cursor`, the `next` of the portion before, names."""

    limit: int = Field(30, ge=1, le=MOST)
    cursor: str = Field("", max_length=100, pattern=r"^[A-Za-z0-9_-]*$", description="The `next` of the portion before")

    @property
    def before(self) -> int | None:
        """The number after which to go on; raises HttpError for a cursor that is none of ours."""
        if not self.cursor:
            return None
        if not (self.cursor.isascii() and self.cursor.isdigit()) or int(self.cursor) > _MAX:
            raise HttpError(422, "cursor: this is none that a list has given")
        return int(self.cursor)


class Page(Schema, Generic[Shape]):
    """`next` is the cursor of what follows; null at the end."""

    items: list[Shape]
    next: str | None = None


def portion(rows: Sequence[T], paging: Paging, key: Callable[[T], object], shape: Callable[[T], Shape]) -> Page[Shape]:
    """The page of `rows`, which were asked for with one more than the limit."""
    shown = rows[: paging.limit]
    more = len(rows) > paging.limit
    return Page(items=[shape(row) for row in shown], next=str(key(shown[-1])) if more else None)
