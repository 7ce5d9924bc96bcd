"""What a mirror fetches, and what can be read of it."""

import time
from pathlib import Path

import pytest

from runners.checkout import CloneFailed, CommitMissing, FileMissing, Mirror, clone
from tests.runners.checkout.ground import MAIN, Repository


def test_a_fetched_commit_can_be_read(shop: Repository, mirror: Mirror) -> None:
    sha = shop.commit(".slipway.yml", "image: x\n", "first\n\nmore")
    assert mirror.fetch(MAIN, sha, "1") == sha
    assert mirror.read_file(sha, ".slipway.yml") == b"image: x\n"
    found = mirror.commit(sha)
    assert (found.sha, found.author_name, found.author_email) == (sha, "Alice", "alice@example.org")
    assert found.subject == "first"
    assert abs(found.committed_at.timestamp() - time.time()) < 600


def test_refs_are_named_in_full_and_tags_give_their_commit(shop: Repository, mirror: Mirror) -> None:
    sha = shop.commit()
    shop.git("tag", "light")
    shop.git("tag", "-a", "v1", "-m", "one")
    shop.git("branch", "v1")
    refs = ("refs/heads/main", "refs/heads/v1", "refs/tags/light", "refs/tags/v1")
    assert mirror.refs() == dict.fromkeys(refs, sha)


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085"])
def test_a_branch_whose_name_holds_a_line_separator_does_not_pass_for_main(
    shop: Repository, mirror: Mirror, separator: str
) -> None:
    sha = shop.commit()
    shop.git("checkout", "--quiet", "-b", f"main{separator}x")
    other = shop.commit(text="not reviewed\n")
    assert mirror.refs() == {MAIN: sha, f"{MAIN}{separator}x": other}


def test_the_id_of_an_annotated_tag_brings_its_commit(shop: Repository, mirror: Mirror) -> None:
    sha = shop.commit()
    shop.git("tag", "-a", "v1", "-m", "one")
    assert mirror.fetch("refs/tags/v1", shop.git("rev-parse", "v1"), "1") == sha


def test_a_branch_replaced_by_one_below_it_does_not_collide(shop: Repository, mirror: Mirror) -> None:
    first = shop.commit()
    shop.git("branch", "a")
    mirror.fetch("refs/heads/a", first, "1")
    shop.git("branch", "-D", "a")
    second = shop.commit("other")
    shop.git("branch", "a/foo")
    shop.git("branch", "b/foo")
    mirror.fetch("refs/heads/a/foo", second, "2")
    mirror.fetch("refs/heads/b/foo", second, "3")
    assert {"refs/heads/a/foo", "refs/heads/b/foo"} < mirror.refs().keys()


def test_a_commit_pushed_away_in_between_still_comes_by_its_id(shop: Repository, mirror: Mirror) -> None:
    first = shop.commit()
    shop.git("commit", "--quiet", "--amend", "--message", "instead")
    assert mirror.fetch(MAIN, first, "1") == first


def test_a_commit_that_is_here_needs_no_network(shop: Repository, mirror: Mirror) -> None:
    sha = shop.commit()
    mirror.fetch(MAIN, sha, "1")
    shop.path.rename(shop.path.with_name("gone"))
    assert mirror.fetch(MAIN, sha, "2") == sha


def test_a_released_commit_goes_with_the_next_repack_and_a_pinned_one_stays(
    shop: Repository, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clone, "PACKS_BEFORE_REPACK", 2)
    shas = []
    for number in range(4):
        shop.git("checkout", "--quiet", "--orphan", f"b{number}")
        shas.append(shop.commit("file", f"{number}\n"))
    mirror.fetch("refs/heads/b0", shas[0], "0")
    mirror.fetch("refs/heads/b1", shas[1], "1")
    mirror.release_pin("0")
    mirror.release_pin("never-was")
    mirror.fetch("refs/heads/b2", shas[2], "2")
    assert mirror.read_file(shas[1], "file") == b"1\n"
    with pytest.raises(CommitMissing):
        mirror.commit(shas[0])
    assert mirror.fetch("refs/heads/b0", shas[0], "9") == shas[0]


def test_a_vanished_commit_is_said_to_be_pushed_away(shop: Repository, mirror: Mirror) -> None:
    shop.commit()
    with pytest.raises(CommitMissing, match="force-pushed away"):
        mirror.fetch(MAIN, "1" * 40, "1")
    with pytest.raises(CommitMissing, match="deleted"):
        mirror.fetch("refs/heads/gone", "1" * 40, "1")


def test_a_clone_url_without_repository_names_the_url_and_the_reason(tmp_path: Path) -> None:
    empty = Mirror(tmp_path / "mirrors" / "1", str(tmp_path / "nothing"))
    for ask in (
        empty.refs,
        lambda: empty.fetch(MAIN, "1" * 40, "1"),
    ):
        with pytest.raises(CloneFailed, match=r"nothing could not be read: .*does not appear to be a git"):
            ask()


@pytest.mark.parametrize("path", ["gone.yml", "folder", "out", "loop", "file/x", "../file", "", "/etc/passwd", "a\nb"])
def test_what_is_no_file_of_the_commit_is_missing(shop: Repository, mirror: Mirror, path: str) -> None:
    (shop.path / "out").symlink_to("/etc/passwd")
    (shop.path / "loop").symlink_to("loop")
    shop.commit("folder/inner")
    sha = shop.commit("file")
    mirror.fetch(MAIN, sha, "1")
    with pytest.raises(FileMissing):
        mirror.read_file(sha, path)


def test_a_link_inside_the_commit_is_followed_and_a_large_file_refused(shop: Repository, mirror: Mirror) -> None:
    (shop.path / "link.yml").symlink_to("real.yml")
    shop.commit("real.yml", "real\n")
    sha = shop.commit("large", "x" * (1024 * 1024 + 1))
    mirror.fetch(MAIN, sha, "1")
    assert mirror.read_file(sha, "link.yml") == b"real\n"
    with pytest.raises(FileMissing, match="larger than"):
        mirror.read_file(sha, "large")
    with pytest.raises(FileMissing):
        mirror.read_file("1" * 40, "large")
