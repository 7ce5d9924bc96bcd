"""Where commits are seen."""

import pytest
from django.test import override_settings

from pipelines.projects.models import Project
from server.web import codehosts

SHA = "c" * 40


@pytest.mark.parametrize(
    ("project", "page"),
    [
        (Project(code_host_name="example/shop", clone_url="/srv/git/shop.git"), "https://github.com/example/shop"),
        (Project(clone_url="https://git.example.com/team/shop.git"), "https://git.example.com/team/shop"),
        (Project(clone_url="git@git.example.com:team/shop.git"), "https://git.example.com/team/shop"),
        (Project(clone_url="/srv/git/shop.git"), ""),
        (Project(clone_url="https://git.example.com/team/<script>.git"), ""),
        (Project(clone_url="nothing at all"), ""),
    ],
)
def test_a_repository_s_page_follows_from_its_name_or_its_clone_url(project: Project, page: str) -> None:
    assert codehosts.home(project) == page
    assert codehosts.commit(project, SHA) == (f"{page}/commit/{SHA}" if page else "")


@override_settings(SLIPWAY_GITHUB_API="https://git.corp.example/api/v3")
def test_an_enterprise_server_s_pages_are_above_its_api() -> None:
    assert codehosts.home(Project(code_host_name="a/b")) == "https://git.corp.example/a/b"


def test_what_is_no_commit_gets_no_address() -> None:
    assert codehosts.commit(Project(code_host_name="a/b"), "../../settings") == ""
