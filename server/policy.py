"""What a page may load: only what this server serves."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# django-rq's pages carry scripts and styles in their text; Django's own admin needs no exception.
_INLINE = POLICY.replace("script-src 'self'", "script-src 'self' 'unsafe-inline'").replace(
    "style-src 'self'", "style-src 'self' 'unsafe-inline'"
)
_INLINE_PREFIX = "/admin/django_rq/"


class ContentPolicyMiddleware:
    """Sets the Content-Security-Policy of every answer that has none of its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        policy = _INLINE if request.path.startswith(_INLINE_PREFIX) else POLICY
        response.headers.setdefault("Content-Security-Policy", policy)
        return response


def let_forms_go_to(response: HttpResponse, *origins: str) -> HttpResponse:
    """Browsers hold forms' redirects to the policy too: a page whose form leads to another server names it."""
    if origins:
        allowed = " ".join(("form-action 'self'", *origins))
        response["Content-Security-Policy"] = POLICY.replace("form-action 'self'", allowed)
    return response
