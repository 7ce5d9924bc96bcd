"""Clone URLs: https, ssh and local paths, and nothing that git would take for something else."""

import pytest
from django.core.exceptions import ValidationError
from pytest_django import Settings

from pipelines.projects.clone_urls import BadCloneUrl, CloneUrl, Transport, check_clone_url, parse_clone_url, same_place
from pipelines.projects.models import Project


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ext::sh -c touch% /tmp/x",
        "--upload-pack=touch",
        "-u",
        "file:///srv/x",
        "HTTPS:host/x",
        "https://",
        "https://host",
        "https://host/",
        "https://-host/x",
        "https://host:99999/x",
        "https://host:port/x",
        "https://user:password@host/x",
        "https://host/x\nurl=y",
        "https://host/x%0ahost=y",
        "https://ho st/x",
        "https://host\\@evil/x",
        "https://[::1/x",
        "http://host/x",
        "/srv/../etc",
        "//host/x",
        "./x",
        "ssh://host/x",
        "ssh://git@host",
        "ssh://git@host/",
        "ssh://git@host/~",
        "ssh://git@-oProxyCommand=touch/x",
        "ssh://-oProxyCommand=touch@host/x",
        "ssh://git:password@host/x",
        "ssh://git@host:99999/x",
        "ssh://git@host/x?y",
        "ssh://git@host/x#y",
        "ssh://git@host/../x",
        "ssh://git@host/$(touch)",
        "ssh://git@host/x';touch",
        'ssh://git@host/x"y',
        "SSH://git@host/x",
        "git+ssh://git@host/x",
        "git@host:",
        "git@host:-x",
        "git@host:../x",
        "git@host:x;touch",
        "git@-oProxyCommand=touch:x",
        "-git@host:x",
        "host:x/y.git",
        "git@ho/st:x",
    ],
)
def test_a_clone_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(BadCloneUrl):
        check_clone_url(url, allow_local=True)


def test_clone_urls_of_the_right_kind_are_taken() -> None:
    check_clone_url("https://example.org/owner/name.git", allow_local=False)
    check_clone_url("https://example.org:8443/owner/name", allow_local=False)
    check_clone_url("https://[::1]:8443/name", allow_local=False)
    check_clone_url("http://localhost/name", allow_local=False, allow_http=True)
    check_clone_url("/srv/git/shop with.git".replace(" ", "-"), allow_local=True)
    with pytest.raises(BadCloneUrl, match="not allowed on this server"):
        check_clone_url("/srv/git/shop.git", allow_local=False)


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("git@Example.org:owner/name.git", CloneUrl(Transport.SSH, "owner/name.git", "example.org", 22, "git")),
        ("git@example.org:/srv/name", CloneUrl(Transport.SSH, "/srv/name", "example.org", 22, "git")),
        ("git@[::1]:name", CloneUrl(Transport.SSH, "name", "::1", 22, "git")),
        ("ssh://git@example.org/~me/name", CloneUrl(Transport.SSH, "/~me/name", "example.org", 22, "git")),
        ("ssh://APKA1@example.org:2222/v1/x", CloneUrl(Transport.SSH, "/v1/x", "example.org", 2222, "APKA1")),
        ("https://example.org/x", CloneUrl(Transport.HTTPS, "/x", "example.org", 443)),
        ("/srv/x", CloneUrl(Transport.LOCAL, "/srv/x")),
    ],
)
def test_a_clone_url_is_read_in_its_parts(url: str, parts: CloneUrl) -> None:
    assert parse_clone_url(url, allow_local=True) == parts


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://example.org/a", "https://EXAMPLE.org:443/b", True),
        ("https://example.org/a", "https://example.org:444/b", False),
        ("https://example.org/a", "http://example.org/b", False),
        ("https://example.org/a", "https://example.org.evil/b", False),
        ("git@example.org:a", "ssh://git@example.org/b", True),
        ("git@example.org:a", "ssh://other@example.org/b", False),
        ("git@example.org:a", "https://example.org/b", False),
        ("/srv/a", "/srv/b", False),
    ],
)
def test_credentials_are_for_one_place(one: str, other: str, same: bool) -> None:
    assert same_place(one, other) is same


def test_a_project_is_not_stored_with_one_that_could_not_be_cloned(settings: Settings) -> None:
    with pytest.raises(ValidationError, match="Plain http"):
        Project(name="shop", clone_url="http://host/x").clean()
    settings.SLIPWAY_LOCAL_CLONES = False
    with pytest.raises(ValidationError, match="not allowed on this server"):
        Project(name="shop", clone_url="/srv/git/shop").clean()
