"""A stand-in for GitHub's door: it sends people back with a code, takes the code for a token, and says who they are."""

import base64
import contextlib
import hashlib
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.lab.stand_in import Answer, Asked, serve

_MEMBERSHIP = re.compile(r"/api/v3/user/memberships/orgs/(?P<name>[A-Za-z0-9-]+)")


@dataclass(frozen=True, slots=True)
class Somebody:
    """A person there; `organisations` says of each whether the membership is active or pending."""

    number: int
    login: str
    mail: str = ""
    organisations: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class GitHubDoor:
    """`url` is where its pages are. Who comes next is `visitor`; `asked` holds what was asked with which token."""

    client_id: str = "Iv1.lab"
    client_secret: str = "shh-lab"
    url: str = ""
    visitor: Somebody = Somebody(1, "nobody")
    asked: list[str] = field(default_factory=list)
    _codes: dict[str, tuple[Somebody, str]] = field(default_factory=dict)
    _tokens: dict[str, Somebody] = field(default_factory=dict)

    def consent(self, address: str) -> str:
        """What the person's browser does there: it looks at the page and is sent back; gives path and query."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        if query["client_id"] != self.client_id or query["code_challenge_method"] != "S256":
            raise AssertionError(f"a real GitHub would refuse {address}")
        code = secrets.token_hex(10)
        self._codes[code] = (self.visitor, query["code_challenge"])
        back = urlsplit(query["redirect_uri"])
        return f"{back.path}?code={code}&state={query['state']}"

    def answer(self, asked: Asked) -> Answer:
        path = urlsplit(asked.path).path
        if (asked.method, path) == ("POST", "/login/oauth/access_token"):
            return self._exchange({name: values[0] for name, values in parse_qs(asked.body.decode()).items()})
        person = self._tokens.get(asked.headers.get("Authorization", "").removeprefix("token "))
        self.asked.append(path)
        if person is None:
            return Answer(401, {"message": "Bad credentials"})
        return self._tell(person, path)

    def _exchange(self, form: dict[str, str]) -> Answer:
        person, challenge = self._codes.pop(form.get("code", ""), (None, ""))
        proof = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        is_ours = (form.get("client_id"), form.get("client_secret")) == (self.client_id, self.client_secret)
        if person is None or not is_ours or proof.decode().rstrip("=") != challenge:
            return Answer(200, {"error": "bad_verification_code"})
        token = f"gho_{secrets.token_hex(12)}"
        self._tokens[token] = person
        return Answer(200, {"access_token": token, "token_type": "bearer", "scope": "read:org"})

    def _tell(self, person: Somebody, path: str) -> Answer:
        if path == "/api/v3/user":
            said: dict[str, Any] = {"id": person.number, "login": person.login, "name": person.login, "bio": "private"}
            return Answer(200, {**said, "email": person.mail, "html_url": f"{self.url}/{person.login}"})
        match = _MEMBERSHIP.fullmatch(path)
        state = person.organisations.get(match["name"]) if match else None
        return Answer(200, {"state": state}) if state else Answer(404, {"message": "Not Found"})


@contextlib.contextmanager
def github_door() -> Iterator[GitHubDoor]:
    door = GitHubDoor()
    with serve(door.answer) as url:
        door.url = url
        yield door
