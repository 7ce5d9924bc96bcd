"""Which repository a directory belongs to, read from git's own files."""

from pathlib import Path

import pytest

from pipelines.projects.remotes import repository
from server.cli.client import remotes

CONFIG = """\
[core]
\trepositoryformatversion = 0
[remote "origin"]
\turl = git@code.example.com:ada/shop.git ; mine
\tfetch = +refs/heads/*:refs/remotes/origin/*
[Remote "upstream"]
\tURL = "https://ada:s3cret@code.example.com/team/shop.git?token=x"
\tpushurl = elsewhere
[branch "main"]
\tremote = origin
\turl = not a remote's
"""


def test_a_remote_is_shown_to_the_server_without_what_it_would_sign_in_with() -> None:
    assert remotes.parse(CONFIG) == {
        "origin": "git@code.example.com:ada/shop.git",
        "upstream": "https://code.example.com/team/shop.git",
    }


def test_the_upstream_of_a_fork_goes_before_the_fork(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text(CONFIG)
    (tmp_path / "deep" / "down").mkdir(parents=True)
    assert remotes.of_repository(tmp_path / "deep" / "down") == [
        "https://code.example.com/team/shop.git",
        "git@code.example.com:ada/shop.git",
    ]


def test_a_linked_working_tree_has_the_remotes_of_its_repository(tmp_path: Path) -> None:
    folder = tmp_path / "main" / ".git" / "worktrees" / "linked"
    folder.mkdir(parents=True)
    (folder / "commondir").write_text("../..\n")
    (tmp_path / "main" / ".git" / "config").write_text(CONFIG)
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / ".git").write_text(f"gitdir: {folder}\n")
    assert len(remotes.of_repository(tmp_path / "linked")) == 2


def test_outside_of_a_repository_there_are_none(tmp_path: Path) -> None:
    assert remotes.of_repository(tmp_path) == []


@pytest.mark.parametrize(
    "remote",
    [
        "git@code.example.com:team/shop.git",
        "code.example.com:team/shop",
        "ssh://git@Code.Example.com:2222/team/shop.git",
        "https://code.example.com/team/shop/",
        "http://ada@code.example.com/team/shop.git",
    ],
)
def test_a_repository_is_the_same_by_whatever_way_it_is_reached(remote: str) -> None:
    assert repository(remote) == ("code.example.com", "team/shop")


@pytest.mark.parametrize("remote", ["", "https://code.example.com/", "ext::sh -c true", "https://[", "shop"])
def test_what_names_no_repository_is_nobodys(remote: str) -> None:
    assert repository(remote) in (None, ("", remote))
    assert repository("/srv/git/shop.git") == repository("file:///srv/git/shop") == ("", "srv/git/shop")
