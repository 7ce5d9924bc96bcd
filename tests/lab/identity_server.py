"""A stand-in for a company's own sign-in (OpenID Connect): says where its pages are, takes codes, says who came."""

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tests.lab.stand_in import Answer, Asked, serve


@dataclass(slots=True)
class IdentityServer:
    """`told` is what it says of whoever comes next: `sub` is their id."""

    client_id: str = "slipway"
    client_secret: str = "shh-lab"
    url: str = ""
    told: dict[str, object] = field(default_factory=dict)
    _codes: set[str] = field(default_factory=set)
    _tokens: set[str] = field(default_factory=set)

    def consent(self, address: str) -> str:
        """What the person's browser does there; gives path and query of the way back."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        if query["client_id"] != self.client_id or "openid" not in query["scope"].split():
            raise AssertionError(f"a real server would refuse {address}")
        code = secrets.token_hex(10)
        self._codes.add(code)
        return f"{urlsplit(query['redirect_uri']).path}?code={code}&state={query['state']}"

    def answer(self, asked: Asked) -> Answer:
        path = urlsplit(asked.path).path
        if path == "/.well-known/openid-configuration":
            names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "userinfo_endpoint": "who"}
            said = {name: f"{self.url}/{end}" for name, end in names.items()}
            return Answer(
                200, {**said, "issuer": self.url, "token_endpoint_auth_methods_supported": ["client_secret_post"]}
            )
        if path == "/token":
            return self._exchange({name: values[0] for name, values in parse_qs(asked.body.decode()).items()})
        is_known = asked.headers.get("Authorization", "").removeprefix("Bearer ") in self._tokens
        return Answer(200, self.told) if path == "/who" and is_known else Answer(401, {"error": "invalid_token"})

    def _exchange(self, form: dict[str, str]) -> Answer:
        if form.get("code") not in self._codes or form.get("client_secret") != self.client_secret:
            return Answer(400, {"error": "invalid_grant"})
        token = secrets.token_hex(12)
        self._tokens.add(token)
        return Answer(200, {"access_token": token, "token_type": "bearer"})


@contextlib.contextmanager
def identity_server() -> Iterator[IdentityServer]:
    made = IdentityServer()
    with serve(made.answer) as url:
        made.url = url
        yield made
