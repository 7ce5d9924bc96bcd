"""Clone URLs: https and local paths, and nothing that git would take for something else."""

import pytest
from django.core.exceptions import ValidationError
from pytest_django import Settings

from pipelines.projects.clone_urls import BadCloneUrl, check_clone_url
from pipelines.projects.models import Project


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ext::sh -c touch% /tmp/x",
        "--upload-pack=touch",
        "-u",
        "ssh://host/x",
        "git@host:x/y.git",
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


def test_a_project_is_not_stored_with_one_that_could_not_be_cloned(settings: Settings) -> None:
    with pytest.raises(ValidationError, match="Plain http"):
        Project(name="shop", clone_url="http://host/x").clean()
    settings.SLIPWAY_LOCAL_CLONES = False
    with pytest.raises(ValidationError, match="not allowed on this server"):
        Project(name="shop", clone_url="/srv/git/shop").clean()
