"""Where a request comes from, as far as it can be believed."""

from ipaddress import IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest


def client(request: HttpRequest) -> str:
    """The address of whoever asks; empty when there is none, as over a unix socket.

    Each trusted proxy adds the address that it was asked from to the end of X-Forwarded-For: what stands further left
    than all of them was written by the client and is not believed.
    """
    direct = _clean(request.META.get("REMOTE_ADDR", ""))
    if settings.SLIPWAY_TRUSTED_PROXIES == 0:
        return direct
    hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    told = hops[-settings.SLIPWAY_TRUSTED_PROXIES] if len(hops) >= settings.SLIPWAY_TRUSTED_PROXIES else ""
    return _clean(told) or direct


def origin(request: HttpRequest) -> str | None:
    """What tries are counted for: the address, or of IPv6 the network of 64 bits, all of which one machine may use."""
    address = client(request)
    if not address:
        return None
    parsed = ip_address(address)
    return str(IPv6Network((parsed, 64), strict=False).network_address) if parsed.version == 6 else address


def _clean(text: str) -> str:
    """An address without port or zone; empty for what is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)
