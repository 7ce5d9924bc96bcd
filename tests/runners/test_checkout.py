"""The door to git, against real repositories."""

import http.server
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipelines.projects.clone_urls import BadCloneUrl
from runners import checkout, mirrors
from runners.checkout import (
    BadRef,
    CloneFailed,
    CommitMissing,
    FileMissing,
    Mirror,
    UnsafeTree,
    check_ref,
    check_sha,
)

MAIN = "refs/heads/main"
TOKEN = "s3cr3t-t0ken"


class Repository:
    """A repository as a person works in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *args: str, stdin: str | bytes = "") -> str:
        who = [
            "-c",
            "user.name=Alice",
            "-c",
            "user.email=alice@example.org",
            "-c",
            "core.hooksPath=/dev/null",
        ]
        raw = stdin.encode() if isinstance(stdin, str) else stdin
        argv = ["git", "-C", str(self.path), *who, *args]
        return subprocess.run(argv, check=True, capture_output=True, input=raw).stdout.decode().strip()

    def commit(self, name: str = "file", text: str = "text\n", message: str = "a commit") -> str:
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop")


@pytest.fixture
def mirror(shop: Repository, tmp_path: Path) -> Mirror:
    return Mirror(tmp_path / "mirrors" / "1", str(shop.path))


class Code(http.server.ThreadingHTTPServer):
    """A code host that keeps what it was asked and refuses, or never answers."""

    def __init__(self, hangs: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Refuser)
        self.hangs = hangs
        self.seen: list[str | None] = []
        self.release = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/shop.git"


class _Refuser(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Code)
        server.seen.append(self.headers["Authorization"])
        if server.hangs:
            server.release.wait(20)
        self.send_response(401)
        self.send_header("WWW-Authenticate", "Basic")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(params=[False])
def code_host(request: pytest.FixtureRequest) -> Iterator[Code]:
    server = Code(hangs=request.param)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    server.server_close()
    thread.join()


def unpack(archive: Path, into: Path) -> Path:
    """As a container would: with links and modes, but in a folder that belongs to the test."""
    into.mkdir()
    with tarfile.open(archive) as tar:
        tar.extractall(into, filter="fully_trusted")
    return into / "workspace"


def git_in(folder: Path, *args: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *args], check=True, capture_output=True, text=True).stdout


def processes_with(text: str) -> list[str]:
    """Command lines of running processes that hold a text."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found


# --- what is there


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
    monkeypatch.setattr(checkout, "PACKS_BEFORE_REPACK", 2)
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


# --- what is not there


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


# --- what is hostile


def test_a_clone_url_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCloneUrl):
        Mirror(tmp_path, "ext::sh -c touch% /tmp/owned")


@pytest.mark.parametrize(
    "ref",
    [
        "main",
        "HEAD",
        "refs/heads/",
        "refs/heads/-x",
        "--upload-pack=touch x",
        "refs/heads/a..b",
        "refs/heads/a@{1}",
        "refs/heads/a b",
        "refs/heads/a\n",
        "refs/heads/a\0",
        "refs/heads/.a",
        "refs/heads/a.lock",
        "refs/heads/a.lock/b",
        "refs/heads/a//b",
        "refs/heads/a/",
        "refs/heads/a.",
        "refs/heads/a:refs/slipway/1",
        "+refs/heads/a",
        "refs/heads/*",
        "refs/heads/a^{}",
        "refs/heads/a~1",
        "refs/slipway/1",
        "refs/remotes/origin/main",
        "refs/heads/" + "a" * 600,
    ],
)
def test_a_ref_that_is_not_full_and_plain_is_refused(ref: str) -> None:
    with pytest.raises(BadRef):
        check_ref(ref)


@pytest.mark.parametrize("ref", ["refs/heads/main", "refs/tags/v1.2.3", "refs/heads/a/é-1", "refs/pull/7/head"])
def test_a_full_ref_is_taken(ref: str) -> None:
    check_ref(ref)


@pytest.mark.parametrize("sha", ["", "abc", "A" * 40, "g" * 40, "1" * 41, "-" * 40, "1" * 40 + "\n", "HEAD"])
def test_a_commit_id_that_is_not_full_is_refused(sha: str) -> None:
    with pytest.raises(BadRef):
        check_sha(sha)


@pytest.mark.parametrize("inject", ["--upload-pack=touch {}", "-c core.fsmonitor=touch {}", "ext::touch {}"])
def test_nothing_from_outside_becomes_an_option(shop: Repository, mirror: Mirror, tmp_path: Path, inject: str) -> None:
    canary = tmp_path / "canary"
    sha = shop.commit()
    mirror.fetch(MAIN, sha, "1")
    text = inject.format(canary)
    for attempt in (
        lambda: mirror.fetch(text, sha, "2"),
        lambda: mirror.fetch(MAIN, text, "2"),
        lambda: mirror.fetch(MAIN, sha, text),
        lambda: mirror.commit(text),
        lambda: mirror.workspace(text, MAIN),
        lambda: mirror.read_file(sha, text),
        lambda: Mirror(tmp_path / "m", text).refs(),
    ):
        with pytest.raises((BadRef, BadCloneUrl, FileMissing)):
            attempt()
    assert not canary.exists()


def test_configuration_and_variables_of_the_machine_have_no_say(
    shop: Repository, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary, home = tmp_path / "canary", tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f"[core]\n\tfsmonitor = touch {canary}\n\thooksPath = {home}\n")
    hook = home / "reference-transaction"
    hook.write_text(f"#!/bin/sh\ntouch {canary}\n")
    hook.chmod(0o755)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", f"'core.hooksPath'='{home}'")
    monkeypatch.setenv("GIT_TRACE", str(canary))
    with monkeypatch.context() as before:
        for name in ("GIT_DIR", "GIT_OBJECT_DIRECTORY", "GIT_TRACE", "GIT_CONFIG_PARAMETERS", "HOME"):
            before.delenv(name)
        sha = shop.commit()
    mirror.fetch(MAIN, sha, "1")
    assert mirror.workspace(sha, MAIN).is_file()
    assert not canary.exists()


def test_a_path_with_quotes_changes_no_configuration(tmp_path: Path) -> None:
    odd = Repository(tmp_path / 'a"b[core]#;')
    sha = odd.commit()
    assert Mirror(tmp_path / "mirrors" / "1", str(odd.path)).fetch(MAIN, sha, "1") == sha


@pytest.mark.parametrize("name", [".git", "..", ".GIT"])
def test_a_tree_that_would_write_outside_is_refused(shop: Repository, mirror: Mirror, name: str) -> None:
    blob = shop.git("hash-object", "-w", "--stdin", stdin="evil")
    raw = b"100644 " + name.encode() + b"\0" + bytes.fromhex(blob)
    tree = shop.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=raw)
    sha = shop.git("commit-tree", tree, "-m", "evil")
    shop.git("update-ref", MAIN, sha)
    mirror.fetch(MAIN, sha, "1")
    with pytest.raises(UnsafeTree):
        mirror.workspace(sha, MAIN)


# --- over the network


def test_a_refused_token_is_sent_to_the_host_and_shown_to_nobody(code_host: Code, tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "1", code_host.url, token=TOKEN, allow_http=True)
    with pytest.raises(CloneFailed) as caught:
        mirror.refs()
    assert any(seen and seen.startswith("Basic ") for seen in code_host.seen)
    assert "token" in str(caught.value)
    assert TOKEN not in str(caught.value) + repr(mirror)


@pytest.mark.parametrize("code_host", [True], indirect=True)
def test_a_host_that_never_answers_is_given_up_and_no_process_stays(code_host: Code, tmp_path: Path) -> None:
    mirror = Mirror(tmp_path / "1", code_host.url, token=TOKEN, allow_http=True, timeout_seconds=1.5)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(mirror.refs)
        time.sleep(0.8)
        running = processes_with(code_host.url)
        with pytest.raises(CloneFailed, match=r"did not answer within 1\.5 seconds"):
            asked.result()
    assert running
    assert not any(TOKEN in line for line in running)
    assert processes_with(code_host.url) == []


# --- the workspace


def test_a_workspace_is_a_clean_checkout_with_a_git_that_works(
    shop: Repository, mirror: Mirror, tmp_path: Path
) -> None:
    shop.commit("run.sh", "#!/bin/sh\n")
    (shop.path / "run.sh").chmod(0o755)
    (shop.path / "deep" / "down").mkdir(parents=True)
    (shop.path / "deep" / "down" / "link").symlink_to("/etc/passwd")
    (shop.path / os.fsdecode(b"latin-\xe9")).write_text("x")
    (shop.path / ("long" * 50)).write_text("x")
    (shop.path / "empty").write_text("")
    (shop.path / ".gitattributes").write_text("docs export-ignore\n*.txt eol=crlf\n")
    (shop.path / "a.txt").write_text("one\n")
    sha = shop.commit("docs", "docs\n")
    mirror.fetch(MAIN, sha, "1")
    workspace = unpack(mirror.workspace(sha, MAIN), tmp_path / "out")
    assert git_in(workspace, "status", "--porcelain", "--branch") == "## main\n"
    assert git_in(workspace, "rev-parse", "HEAD").strip() == sha
    assert git_in(workspace, "fsck", "--strict") == ""
    assert os.access(workspace / "run.sh", os.X_OK)
    assert not os.access(workspace / "docs", os.X_OK)
    assert (workspace / "deep" / "down" / "link").readlink() == Path("/etc/passwd")
    assert (workspace / os.fsdecode(b"latin-\xe9")).read_text() == "x"
    assert (workspace / "docs").read_text() == "docs\n"


def test_every_entry_of_a_workspace_is_root_s_and_below_its_folder(shop: Repository, mirror: Mirror) -> None:
    sha = shop.commit()
    mirror.fetch(MAIN, sha, "1")
    with tarfile.open(mirror.workspace(sha, MAIN)) as tar:
        members = tar.getmembers()
    assert {(member.uid, member.gid) for member in members} == {(0, 0)}
    assert {member.name.split("/")[0] for member in members} == {"workspace"}
    assert len({member.name for member in members}) == len(members)


def test_a_tag_s_workspace_knows_its_tag(shop: Repository, mirror: Mirror, tmp_path: Path) -> None:
    sha = shop.commit()
    shop.git("tag", "v1.2.3")
    mirror.fetch("refs/tags/v1.2.3", sha, "1")
    workspace = unpack(mirror.workspace(sha, "refs/tags/v1.2.3"), tmp_path / "out")
    assert git_in(workspace, "describe", "--tags").strip() == "v1.2.3"
    assert git_in(workspace, "branch", "--show-current") == ""


def test_a_long_history_with_merges_is_cut_and_still_sound(shop: Repository, mirror: Mirror, tmp_path: Path) -> None:
    for number in range(25):
        shop.commit("file", f"{number}\n")
        shop.git("checkout", "--quiet", "-b", f"side{number}")
        shop.commit(f"side{number}")
        shop.git("checkout", "--quiet", "main")
        shop.git("merge", "--quiet", "--no-ff", "-m", "merge", f"side{number}")
    sha = shop.git("rev-parse", "HEAD")
    mirror.fetch(MAIN, sha, "1")
    workspace = unpack(mirror.workspace(sha, MAIN), tmp_path / "out")
    assert git_in(workspace, "fsck", "--strict") == ""
    assert 40 <= int(git_in(workspace, "rev-list", "--count", "HEAD")) <= 50
    assert git_in(workspace, "status", "--porcelain") == ""


def test_a_submodule_is_an_empty_folder(shop: Repository, mirror: Mirror, tmp_path: Path) -> None:
    shop.commit()
    shop.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},lib")
    shop.git("commit", "--quiet", "--message", "submodule")
    sha = shop.git("rev-parse", "HEAD")
    mirror.fetch(MAIN, sha, "1")
    assert list((unpack(mirror.workspace(sha, MAIN), tmp_path / "out") / "lib").iterdir()) == []


def test_a_workspace_that_was_made_is_found_without_git(shop: Repository, mirror: Mirror) -> None:
    sha = shop.commit()
    assert mirror.workspace_at_hand(sha, MAIN) is None
    mirror.fetch(MAIN, sha, "1")
    made = mirror.workspace(sha, MAIN)
    shutil.rmtree(mirror.path)
    assert mirror.workspace_at_hand(sha, MAIN) == made
    assert mirror.workspace_at_hand(sha, "refs/tags/v1") is None


def test_a_workspace_is_made_once_and_old_ones_go(
    shop: Repository, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "KEPT_WORKSPACES", 1)
    sha = shop.commit()
    mirror.fetch(MAIN, sha, "1")
    old = mirror.workspace(sha, MAIN)
    assert mirror.workspace(sha, MAIN) == old
    mirror.workspace(sha, "refs/tags/young")
    os.utime(old, (0, 0))
    new = mirror.workspace(sha, "refs/tags/new")
    assert new.exists()
    assert not old.exists()
    assert [path.suffix for path in new.parent.iterdir()] == [".tar", ".tar"]


def test_a_workspace_of_a_commit_that_is_not_here_is_a_missing_commit(shop: Repository, mirror: Mirror) -> None:
    mirror.fetch(MAIN, shop.commit(), "1")
    with pytest.raises(CommitMissing):
        mirror.workspace("1" * 40, MAIN)


# --- many at once, and killed ones

FETCH = "import sys; from pathlib import Path; from runners.checkout import Mirror;"
FETCH += "Mirror(Path(sys.argv[1]), sys.argv[2]).fetch('refs/heads/main', sys.argv[3], sys.argv[4])"


def start_fetch(mirror: Mirror, sha: str, run: str) -> "subprocess.Popen[bytes]":
    argv = [sys.executable, "-c", FETCH, str(mirror.path), mirror.clone_url, sha, run]
    return subprocess.Popen(argv, cwd=Path(checkout.__file__).parent.parent)


def test_processes_that_fetch_at_once_all_get_their_commit(shop: Repository, mirror: Mirror) -> None:
    shas = [shop.commit("file", f"{number}\n") for number in range(4)]
    running = [start_fetch(mirror, sha, str(number)) for number, sha in enumerate(shas)]
    assert [process.wait(60) for process in running] == [0] * 4
    assert [mirror.commit(sha).sha for sha in shas] == shas
    pins = git_in(mirror.path, "for-each-ref", "--format=%(objectname)", "refs/slipway")
    assert pins.split() == shas


def test_what_a_killed_writer_left_stops_nobody(shop: Repository, mirror: Mirror) -> None:
    mirror.fetch(MAIN, shop.commit(), "1")
    for name in ("packed-refs.lock", "config.lock", "refs/slipway/2.lock", "refs/kept/last.lock"):
        (mirror.path / name).touch()
    half = mirror.path / "objects" / "pack" / "tmp_pack_x"
    half.write_text("half")
    long_ago = time.time() - mirrors.REST_SECONDS - 60
    os.utime(half, (long_ago, long_ago))
    mirror.fetch(MAIN, shop.commit("more"), "2")
    assert list(mirror.path.rglob("*.lock")) + list(mirror.path.rglob("tmp_*")) == []


def test_a_fetch_leaves_the_half_pack_of_a_workspace_that_another_process_makes(
    shop: Repository, mirror: Mirror
) -> None:
    mirror.fetch(MAIN, shop.commit(), "1")
    half = mirror.path / "objects" / "pack" / "tmp_pack_x"
    half.write_text("half")
    mirror.fetch(MAIN, shop.commit("more"), "2")
    assert half.exists()


def test_a_fetch_killed_at_any_moment_leaves_a_mirror_that_works(shop: Repository, mirror: Mirror) -> None:
    for number in range(6):
        (shop.path / f"noise{number}").write_bytes(os.urandom(2_000_000))
        sha = shop.commit()
        process = start_fetch(mirror, sha, str(number))
        time.sleep(0.2 + 0.06 * number)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert mirror.fetch(MAIN, sha, "last") == sha
    assert mirror.workspace(sha, MAIN).is_file()
    assert "missing" not in git_in(mirror.path, "fsck", "--connectivity-only")
