"""The manual page of the pipeline file, made from the reference.

python -m pipelines.spec.manual > docs/pipeline.md
"""

import sys
from collections.abc import Iterable, Iterator, Mapping

from pipelines.spec.reference import KINDS, PLACES, TOLD, Key, Kind, Place

COMMAND = "python -m pipelines.spec.manual > docs/pipeline.md"
_SCALARS = {"boolean": "true or false", "whole": "a whole number", "number": "a number"}


def page() -> str:
    """The whole page as Markdown."""
    parts = [
        "# The pipeline file",
        f"<!-- Made from pipelines/spec/reference.yml by `{COMMAND}`. Change that file, not this one. -->",
        TOLD["about"].strip(),
        _fenced(TOLD["whole"]),
        *(part for place in PLACES.values() if not place.hidden for part in _place(place)),
        "## Filled in: `${{ … }}`",
        TOLD["fill_in"].strip(),
        _table("name", "value", TOLD["contexts"]),
        "## Conditions: `if`",
        TOLD["conditions"].strip(),
        "They know the names above, and these:",
        _table("name", "value", TOLD["condition_contexts"]),
        "## Variables that every stage finds set",
        _table("variable", "value", TOLD["variables"]),
        "## Values",
        "What the types above stand for.",
        "\n".join(_kinds()),
    ]
    return "\n\n".join(parts) + "\n"


def _place(place: Place) -> Iterator[str]:
    yield f"## {place.title}"
    if rules := " ".join(_rules(place)):
        yield rules
    for key in place.keys.values():
        yield from _key(key)
    if place.others is not None:
        yield f"### any other name\n\n{_type(place.others)}. {place.others.means}"


def _rules(place: Place) -> Iterator[str]:
    if place.exactly_one:
        yield f"Exactly one of {_names(place.exactly_one)} stands in it."
    if place.at_least_one:
        yield f"At least one of {_names(place.at_least_one)} stands in it."
    if place.at_most_one:
        yield f"At most one of {_names(place.at_most_one)} stands in it."


def _key(key: Key) -> Iterator[str]:
    yield f"### `{key.name}`"
    facts = [_type(key)]
    if key.required:
        facts.append("required")
    if key.default is not None:
        facts.append(f"default `{key.default}`")
    if key.filled:
        facts.append("may hold `${{ … }}`")
    yield f"*{'; '.join(facts)}*"
    yield key.means
    yield _fenced("\n".join(key.examples) if len(key.examples) == 1 else "\n# or\n".join(key.examples))


def _type(key: Key) -> str:
    text = (
        key.type.text.replace("file_when", "when")
        .replace("_", " ")
        .replace("list of mapping of", "list of mappings of")
    )
    return f"{text}, by {key.type.names.replace('_', ' ')}" if key.type.names else text


def _kinds() -> Iterator[str]:
    yield "| type | what it is |"
    yield "|---|---|"
    for kind in KINDS.values():
        yield f"| {kind.name.replace('_', ' ')} | {_cell(_described(kind))} |"


def _described(kind: Kind) -> str:
    if kind.choices:
        return "; ".join(f"`{name}`: {means}" for name, means in kind.choices.items())
    if kind.scalar in ("whole", "number"):
        return f"{kind.means}, {_SCALARS[kind.scalar]} from {kind.least} to {kind.most}"
    return kind.means


def _table(left: str, right: str, rows: Mapping[str, str]) -> str:
    lines = [f"| {left} | {right} |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {_cell(str(means))} |" for name, means in rows.items())])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").strip()


def _fenced(text: str) -> str:
    return f"```yaml\n{text.strip()}\n```"


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    sys.stdout.write(page())
