"""Hosts where there are hundreds on one page: put together here, a template takes ten times as long."""

from collections.abc import Sequence

from django import template
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from pipelines.deploys.models import Host
from server.web.templatetags.marks import glyph

register = template.Library()

_GLYPHS = ("failed", "blocked", "succeeded", "pending")


@register.simple_tag
def seen_hosts(hosts: Sequence[Host]) -> SafeString:
    """A line for each: how it is, its name, the release that it runs, what is wrong with it."""
    drawn = {name: glyph(name) for name in _GLYPHS}
    line = '<li class="row row--tight">{}<span>{} <span class="qq">{}</span></span></li>'
    return format_html_join("", line, ((drawn[_state(host)], host.name, _told(host)) for host in hosts))


def _state(host: Host) -> str:
    if host.healthy is False:
        return "failed"
    if host.drift:
        return "blocked"
    return "succeeded" if host.healthy else "pending"


def _told(host: Host) -> str:
    release = str(host.release.number) if host.release else "nothing"
    ill = [host.health_detail] if host.healthy is False and host.health_detail else []
    return ", ".join([release, *ill, *(one.get("what", "") for one in host.drift)])
