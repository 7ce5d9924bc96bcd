"""Many processes at once, and killed ones."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from runners.checkout import Mirror, clone, storage
from tests.runners.checkout.ground import MAIN, Repository, git_in

FETCH = "import sys; from pathlib import Path; from runners.checkout import Mirror;"
FETCH += "Mirror(Path(sys.argv[1]), sys.argv[2]).fetch('refs/heads/main', sys.argv[3], sys.argv[4])"


def start_fetch(mirror: Mirror, sha: str, run: str) -> "subprocess.Popen[bytes]":
    argv = [sys.executable, "-c", FETCH, str(mirror.path), mirror.clone_url, sha, run]
    return subprocess.Popen(argv, cwd=Path(clone.__file__).parents[2])


def test_processes_that_fetch_at_once_all_get_their_commit(shop: Repository, mirror: Mirror) -> None:
    shas = [shop.commit("file", f"{number}\n") for number in range(4)]
    running = [start_fetch(mirror, sha, str(number)) for number, sha in enumerate(shas)]
    assert [process.wait(300) for process in running] == [0] * 4
    assert [mirror.commit(sha).sha for sha in shas] == shas
    pins = git_in(mirror.path, "for-each-ref", "--format=%(objectname)", "refs/slipway")
    assert pins.split() == shas


def test_what_a_killed_writer_left_stops_nobody(shop: Repository, mirror: Mirror) -> None:
    mirror.fetch(MAIN, shop.commit(), "1")
    for name in ("packed-refs.lock", "config.lock", "refs/slipway/2.lock", "refs/kept/last.lock"):
        (mirror.path / name).touch()
    half = mirror.path / "objects" / "pack" / "tmp_pack_x"
    half.write_text("half")
    long_ago = time.time() - storage.REST_SECONDS - 60
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
