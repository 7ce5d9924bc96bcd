"""Which mirror a project's settings open."""

import pytest
from pytest_django import Settings

from pipelines.projects.clone_urls import BadCloneUrl
from pipelines.projects.models import Project
from runners.planning import mirror_of
from tests.factories import make_project

pytestmark = pytest.mark.django_db


def test_a_project_s_settings_reach_its_mirror() -> None:
    project = make_project(
        clone_url="https://example.org/owner/shop.git",
        code_host_token="t0ken",
        clone_depth=0,
        with_submodules=True,
        with_lfs=True,
        lfs_hosts="media.example.org  s3.example.org:9000",
    )
    mirror = mirror_of(project, trusted=True)
    assert (mirror.depth, mirror.with_submodules, mirror.with_lfs) == (0, True, True)
    assert mirror.lfs_hosts == ("media.example.org", "s3.example.org:9000")
    assert (mirror.token, mirror.deploy_key) == ("t0ken", "")
    assert mirror.shares_credentials


def test_a_project_as_it_was_made_has_fifty_commits_and_neither_submodules_nor_large_files() -> None:
    mirror = mirror_of(make_project())
    assert (mirror.depth, mirror.with_submodules, mirror.with_lfs) == (50, False, False)


def test_a_commit_from_outside_gets_no_credentials_for_its_submodules() -> None:
    mirror = mirror_of(make_project())
    assert not mirror.shares_credentials
    assert not mirror.local_submodules


def test_a_clone_over_ssh_makes_its_key_when_there_is_none() -> None:
    project = make_project(clone_url="git@example.org:owner/shop.git", code_host_keys="example.org ssh-ed25519 x")
    mirror = mirror_of(project)
    assert mirror.deploy_key == Project.objects.get(pk=project.pk).deploy_key != ""
    assert mirror.host_keys == project.code_host_keys


def test_a_local_repository_is_opened_only_where_that_is_allowed(settings: Settings) -> None:
    project = make_project(clone_url="/srv/git/shop")
    settings.SLIPWAY_LOCAL_CLONES = False
    with pytest.raises(BadCloneUrl):
        mirror_of(project, trusted=True)
