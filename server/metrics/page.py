"""`/metrics`: for those that show the token for it, come from an allowed address, or operate this server."""

import hmac
import ipaddress
import time
from collections.abc import Iterator

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from pipelines.people import tokens
from server import access
from server.access import Bearer
from server.metrics import grown, standing


class Records(Collector):
    """Everything that the records say, and how long it took to ask them."""

    def describe(self) -> list[Metric]:
        """Nothing before it is asked: registering must not need a database."""
        return []

    def collect(self) -> Iterator[Metric]:
        began = time.perf_counter()
        yield from standing.collect()
        yield from grown.collect()
        took = time.perf_counter() - began
        yield GaugeMetricFamily("slipway_metrics_read_seconds", "What it took to read all of this.", value=took)


_registry = CollectorRegistry()
_registry.register(Records())


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    if not _may(request):
        text = "Show SLIPWAY_METRICS_TOKEN or an operator's token as bearer, or come from SLIPWAY_METRICS_ALLOW.\n"
        response = HttpResponse(text, status=401, content_type="text/plain; charset=utf-8")
        response["WWW-Authenticate"] = 'Bearer realm="Slipway metrics"'
        return response
    response = HttpResponse(generate_latest(_registry), content_type=CONTENT_TYPE_LATEST)
    response["Cache-Control"] = "no-store"
    return response


def _may(request: HttpRequest) -> bool:
    if access.is_operator(request.user) or _is_near(request.META.get("REMOTE_ADDR", "")):
        return True
    kind, _, shown = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer":
        return False
    wanted = settings.SLIPWAY_METRICS_TOKEN
    if wanted and hmac.compare_digest(shown.strip().encode(), wanted.encode()):
        return True
    token = tokens.bearer_of(shown.strip())
    return token is not None and access.is_operator(Bearer(token))


def _is_near(address: str) -> bool:
    """By the connection itself: what a proxy says of whom it speaks for is not believed."""
    try:
        here = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(here in network for network in settings.SLIPWAY_METRICS_ALLOW)
