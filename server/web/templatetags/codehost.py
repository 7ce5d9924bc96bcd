"""Links to the code host."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from pipelines.projects.models import Project
from server.web import codehosts

register = template.Library()


@register.simple_tag
def commit_link(project: Project, sha: str) -> SafeString:
    """A commit as people quote it, with its page at the code host where it has one."""
    short = sha[:7]
    page = codehosts.commit(project, sha)
    if not page:
        return format_html('<span class="sha" title="{}">{}</span>', sha, short)
    return format_html('<a class="sha" href="{}" title="{}">{}</a>', page, sha, short)
