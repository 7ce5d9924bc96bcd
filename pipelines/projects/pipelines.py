"""A pipeline that is kept on this server: every edit is a version, and none is ever lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from django.db import IntegrityError, transaction

from pipelines.audit.record import record
from pipelines.errors import LostRace
from pipelines.projects.models import Project, SpecSource, SpecVersion
from pipelines.spec.errors import Problem, SpecError
from pipelines.spec.parser import parse

NEAR = 3  # lines shown around a change
LONG = 1000  # lines, beyond which a comparison is rougher
MAX_LINES = 5000


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a comparison; `sign` is `+`, `-`, a blank for one that both have, or `@` where lines are left out."""

    sign: str
    text: str


def current(project: Project) -> SpecVersion | None:
    """The version that runs take; None before the first was saved."""
    return project.spec_versions.order_by("-number").first()


def keep(project: Project, text: str, author: str, message: str = "", *, based_on: int = 0) -> SpecVersion:
    """Keep `text` as the next version, and let runs take it from now on.

    `based_on` is the number that the person had before them (0: none). Raises SpecError for a text with mistakes, and
    LostRace when somebody else has saved since.
    """
    parse(text, path=project.spec_path)
    if (lines := text.count("\n")) > MAX_LINES:
        problem = Problem(
            MAX_LINES, 1, "", f"the text has {lines:,} lines", f"at most {MAX_LINES:,} in a text kept here"
        )
        raise SpecError(project.spec_path, [problem])
    return _append(project, text, author, message, based_on)


def restore(project: Project, number: int, author: str, *, based_on: int) -> SpecVersion:
    """Bring the text of an earlier version back, as a new one. Raises SpecVersion.DoesNotExist and LostRace."""
    earlier = project.spec_versions.get(number=number)
    return _append(project, earlier.text, author, f"Back to version {number}", based_on, restores=number)


def leave(project: Project, author: str) -> None:
    """Let runs take the repository's file again; the versions stay."""
    with transaction.atomic():
        Project.objects.filter(pk=project.pk).update(spec_source=SpecSource.REPOSITORY)
        record(author, "took the pipeline from the repository", str(project))
    project.spec_source = SpecSource.REPOSITORY


def compare(old: str, new: str) -> Sequence[Line]:
    """What changed, with a few lines around; empty when nothing did."""
    before, after = old.splitlines(), new.splitlines()
    lines: list[Line] = []
    # What many lines have in common tells little, and comparing each with each takes the square of their number.
    is_long = max(len(before), len(after)) > LONG
    for group in SequenceMatcher(None, before, after, autojunk=is_long).get_grouped_opcodes(NEAR):
        lines.append(Line("@", f"line {group[0][3] + 1}"))
        for kind, i1, i2, j1, j2 in group:
            same = kind == "equal"
            lines += [Line(" ", text) for text in before[i1:i2] if same]
            lines += [Line("-", text) for text in before[i1:i2] if not same]
            lines += [Line("+", text) for text in after[j1:j2] if not same]
    return lines


def _append(
    project: Project, text: str, author: str, message: str, based_on: int, *, restores: int | None = None
) -> SpecVersion:
    try:
        with transaction.atomic():
            newest = current(project)
            if (newest.number if newest else 0) != based_on:
                raise LostRace(_OVERTAKEN)
            version = SpecVersion.objects.create(
                project=project,
                number=based_on + 1,
                text=text,
                author=author[:150],
                message=message[:200],
                restores=restores,
            )
            Project.objects.filter(pk=project.pk).update(spec_source=SpecSource.SERVER)
            record(author, "saved the pipeline", str(project), reason=message, version=version.number)
    except IntegrityError:  # both looked before either wrote
        raise LostRace(_OVERTAKEN) from None
    project.spec_source = SpecSource.SERVER
    return version


_OVERTAKEN = "somebody else has saved a version since you began: compare yours with it before you save"
