"""Lines of logs in which something was found."""

from ninja import Schema

from pipelines.finding import Line


class LineShape(Schema):
    number: int
    text: str


def line(found: Line) -> LineShape:
    return LineShape(number=found.number, text=found.before + found.hit + found.after)
