"""Glyphs, statuses and icons: every status has a silhouette of its own and its word."""

from functools import cache

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from pipelines.deploys.models import Deploy, DeployKind
from pipelines.runs.models import Event, EventKind
from pipelines.states.status import Status

register = template.Library()

_KIND_ICONS = {
    "push": "branch",
    "tag": "tag",
    "pull_request": "pull",
    "manual": "person",
    "schedule": "clock",
    "api": "launch",
    "deletion": "minus",
}


@register.simple_tag
def status(value: str, word: str = "") -> SafeString:
    """A status as glyph and word; a finer `word` may take the word's place, never the glyph's."""
    return format_html(
        '<span class="st st--{0}"><svg class="g" aria-hidden="true"><use href="{1}#s-{0}"/></svg>{2}</span>',
        value,
        _sprite(),
        word or value,
    )


@register.simple_tag
def glyph(value: str) -> SafeString:
    """A status where a name stands for the word: the glyph alone, with the status as its accessible name."""
    turning = " g--running" if value == "running" else ""
    return format_html(
        '<svg class="g c-{0}{1}" role="img" aria-label="{0}"><use href="{2}#s-{0}"/></svg>', value, turning, _sprite()
    )


@register.simple_tag
def deployed(deploy: Deploy) -> SafeString:
    """How a deploy stands; a rollback that went well says so."""
    rolled_back = deploy.kind == DeployKind.ROLLBACK and deploy.status == Status.SUCCEEDED
    return status(deploy.status, "rolled back" if rolled_back else "")


@register.simple_tag
def icon(name: str) -> SafeString:
    return format_html('<svg class="i" aria-hidden="true"><use href="{}#i-{}"/></svg>', _sprite(), name)


@register.simple_tag
def ref(full: str) -> SafeString:
    """A full ref as people name it, its namespace told by the icon."""
    namespaces = (("refs/tags/", "tag"), ("refs/pull/", "pull"), ("refs/heads/", "branch"))
    prefix, kind = next((known for known in namespaces if full.startswith(known[0])), ("", "branch"))
    short = full.removeprefix(prefix).removesuffix("/head" if kind == "pull" else "")
    return format_html('<span class="ic" title="{}">{}{}</span>', full, icon(kind), short)


@register.simple_tag
def sprite(name: str) -> str:
    """Where a part of the sprite is, for a `use` of the template's own."""
    return f"{_sprite()}#{name}"


@register.filter
def kind_icon(kind: str) -> str:
    """The icon of a kind of event."""
    return _KIND_ICONS.get(kind, "commit")


@cache
def _sprite() -> str:
    """Where it is does not change while a process lives, and a page names it a thousand times."""
    return static("img/sprite.svg")


@register.simple_tag
def word_status(value: str, line: int, column: int) -> SafeString:
    """A status whose word is a place in a file."""
    return status(value, f"line {line}, column {column}")


@register.simple_tag
def caret(column: int) -> str:
    """A caret under a column that counts from 1."""
    return " " * (column - 1) + "^"


@register.simple_tag
def said(event: Event) -> str:
    """An event in a few words: push to main, tag v2.0.9."""
    short = event.ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
    words = {
        EventKind.PUSH: f"push to {short}",
        EventKind.TAG: f"tag {short}",
        EventKind.PULL_REQUEST: f"pull request {short.removeprefix('refs/pull/').removesuffix('/head')}",
        EventKind.MANUAL: f"{short} by hand",
        EventKind.SCHEDULE: f"{short} by schedule",
        EventKind.API: f"{short} by API",
        EventKind.DELETION: f"{short} deleted",
    }
    known = words.get(EventKind(event.kind))
    return known or f"{event.get_kind_display().lower()} {short}".strip()


@register.simple_tag
def came_of(event: Event) -> SafeString:
    """How the run of an event stands now."""
    return status(event.run.status) if event.run else status(Status.SKIPPED, "no run")
