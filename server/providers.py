"""What the settings say to the library that signs people in with other accounts of theirs."""

from typing import Any

OIDC = "oidc"  # the one such server that there can be, in addresses and records
_PUBLIC = "https://github.com"


def github(api: str, client_id: str, client_secret: str, organisations: list[str]) -> dict[str, Any]:
    """Accounts at the code host whose API that is; none without an application there to sign in with."""
    if not client_id:
        return {}
    app = {"client_id": client_id, "secret": client_secret, "key": ""}
    said = {"APPS": [app], "SCOPE": ["read:org"] if organisations else [], "OAUTH_PKCE_ENABLED": True}
    own = {} if web(api) == _PUBLIC else {"GITHUB_URL": web(api)}
    return {"github": {**said, **own}}


def oidc(url: str, name: str, client_id: str, client_secret: str) -> dict[str, Any]:
    """Accounts at a server that speaks OpenID Connect: Keycloak, GitLab, Google and those like them."""
    if not (url and client_id):
        return {}
    app = {"provider_id": OIDC, "name": name, "client_id": client_id, "secret": client_secret}
    return {"openid_connect": {"APPS": [{**app, "settings": {"server_url": url}}], "OAUTH_PKCE_ENABLED": True}}


def web(api: str) -> str:
    """Where its pages are: GitHub's own API has a host of its own, an enterprise server's is below them."""
    return _PUBLIC if api == "https://api.github.com" else api.removesuffix("/api/v3")
