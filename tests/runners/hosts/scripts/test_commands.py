"""The commands that a host is given, run for real under dash with coreutils and under busybox."""

import gzip
import hashlib
import io
import os
import shlex
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from runners.hosts.scripts import commands, states
from runners.hosts.scripts.commands import Parcel
from runners.hosts.scripts.hostlock import (
    HELD_BY_ANOTHER_SERVER,
    LOWER_FENCES,
    REFUSED_BY_FENCE,
    STALE_MINUTES,
    Claim,
    guarded,
    hold,
)
from runners.hosts.scripts.layout import BadConfiguration, BadLayout, Layout, render_environment
from runners.hosts.scripts.states import HostState, Marker, Needs, parse_state, preflight

Shell = Callable[..., subprocess.CompletedProcess[str]]
CLAIM = Claim(deploy=7, fence=3)
ANY = Needs(1, "d")


@pytest.fixture(scope="session")
def busybox_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PATH that holds busybox and nothing else."""
    directory = tmp_path_factory.mktemp("busybox")
    subprocess.run(["/usr/bin/busybox", "--install", "-s", str(directory)], check=True)
    return directory


@pytest.fixture(params=["dash", "busybox"])
def sh(request: pytest.FixtureRequest, busybox_directory: Path) -> Shell:
    path = str(busybox_directory) if request.param == "busybox" else "/usr/bin:/bin"
    program = f"{busybox_directory}/sh" if request.param == "busybox" else "/usr/bin/dash"

    def run(script: str, given: bytes = b"") -> subprocess.CompletedProcess[str]:
        """Over a pipe, as a host gets it."""
        ended = subprocess.run(
            [program, "-c", script], input=given, capture_output=True, env={"PATH": path}, check=False
        )
        return subprocess.CompletedProcess(script, ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    return run


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(str(tmp_path / "it's here"), shared=("var/uploads",))


def archive_of(number: int, files: dict[str, str]) -> bytes:
    """What comes over the input; gzipped if the number is odd."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content.encode()))
    return gzip.compress(plain.getvalue(), mtime=0) if number % 2 else plain.getvalue()


def parcel_of(data: bytes, root: str = "") -> Parcel:
    return Parcel(hashlib.sha256(data).hexdigest(), len(data), data[:2] == b"\x1f\x8b", root)


def names(directory: str) -> list[str]:
    return sorted(entry.name for entry in Path(directory).iterdir())


def succeed(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    return result.stdout


def ready(sh: Shell, layout: Layout, claim: Claim = CLAIM, needs: Needs = ANY) -> HostState:
    return parse_state(succeed(sh(preflight(layout, claim, needs))))


def receive(sh: Shell, layout: Layout, number: int, data: bytes, parcel: Parcel) -> subprocess.CompletedProcess[str]:
    return sh(guarded(layout, CLAIM, commands.receive_archive(layout, number, parcel)), data)


def install(sh: Shell, layout: Layout, number: int, files: dict[str, str] | None = None) -> str:
    """All that one host goes through up to the switch."""
    data = archive_of(number, files or {"app": f"release {number}"})
    parcel = parcel_of(data)
    ready(sh, layout, needs=Needs(number, parcel.digest, release_bytes=1000))
    succeed(receive(sh, layout, number, data, parcel))
    return parcel.digest


def switch(sh: Shell, layout: Layout, number: int, claim: Claim = CLAIM) -> subprocess.CompletedProcess[str]:
    return sh(guarded(layout, claim, commands.switch(layout, claim, number)))


def test_a_release_is_unpacked_whole_and_switched_to(sh: Shell, layout: Layout) -> None:
    digest = install(sh, layout, 41)
    assert not Path(layout.current).exists()
    succeed(switch(sh, layout, 41))
    assert Path(layout.current, "app").read_text() == "release 41"
    assert Path(layout.current).readlink() == Path("releases/41")
    assert ready(sh, layout, needs=Needs(41, digest)).has_release
    assert not Path(layout.upload(41)).exists()


def test_every_command_may_be_repeated(sh: Shell, layout: Layout) -> None:
    for _ in range(2):
        install(sh, layout, 41)
        succeed(switch(sh, layout, 41))
        succeed(sh(guarded(layout, CLAIM, states.write_marker(layout, Marker(41, "d", 7, 3, "switched")))))
        succeed(sh(guarded(layout, CLAIM, commands.place_environment(layout, CLAIM, 41))))
        succeed(sh(guarded(layout, CLAIM, commands.prune(layout, CLAIM, 3, ()))))
    assert Path(layout.current, "app").read_text() == "release 41"


@pytest.mark.parametrize("number", [41, 42])
def test_the_named_directory_of_the_archive_becomes_the_release(sh: Shell, layout: Layout, number: int) -> None:
    ready(sh, layout)
    data = archive_of(number, {"out/dist/app": "x", "out/dist/bin/run": "y"})
    succeed(receive(sh, layout, number, data, parcel_of(data, "out/dist")))
    assert Path(layout.release(number), "bin/run").read_text() == "y"
    assert names(layout.releases) == [str(number)]


def test_a_single_file_becomes_a_release_that_holds_it(sh: Shell, layout: Layout) -> None:
    ready(sh, layout)
    data = archive_of(41, {"out/app.jar": "x"})
    succeed(receive(sh, layout, 41, data, parcel_of(data, "out/app.jar")))
    assert names(layout.release(41)) == [".slipway-digest", ".slipway-files", "app.jar", "var"]
    assert names(layout.releases) == ["41"]


def test_an_archive_with_another_digest_is_refused(sh: Shell, layout: Layout) -> None:
    ready(sh, layout)
    data = archive_of(41, {"app": "x"})
    result = receive(sh, layout, 41, data, replace(parcel_of(data), digest="0" * 64))
    assert result.returncode == commands.WRONG_DIGEST
    assert "instead of 000" in result.stdout
    assert names(layout.releases) == []


def test_an_archive_that_is_cut_off_is_refused(sh: Shell, layout: Layout) -> None:
    ready(sh, layout)
    data = archive_of(42, {"app": "x" * 5000})
    result = receive(sh, layout, 42, data[:3000], parcel_of(data))
    assert result.returncode == commands.WRONG_DIGEST
    assert f"3000 of the {len(data)} bytes" in result.stdout
    assert names(layout.releases) == []


def test_a_release_that_is_there_from_another_archive_is_left_alone(sh: Shell, layout: Layout) -> None:
    install(sh, layout, 41)
    data = archive_of(41, {"app": "another"})
    result = receive(sh, layout, 41, data, parcel_of(data))
    assert result.returncode == commands.WRONG_DIGEST
    assert "from another archive" in result.stdout
    assert Path(layout.release(41), "app").read_text() == "release 41"


def test_a_half_unpacked_release_is_made_anew(sh: Shell, layout: Layout) -> None:
    ready(sh, layout)
    rest = Path(layout.releases, ".41.new")
    rest.mkdir()
    (rest / "rest").write_text("of a killed deploy")
    install(sh, layout, 41)
    assert names(layout.release(41)) == [".slipway-digest", ".slipway-files", "app", "var"]


def test_shared_directories_outlive_releases(sh: Shell, layout: Layout) -> None:
    install(sh, layout, 41, {"app": "x", "var/uploads/from-archive": "dropped"})
    Path(layout.release(41), "var/uploads/mine").write_text("kept")
    install(sh, layout, 42)
    assert [path.name for path in Path(layout.release(42), "var/uploads").iterdir()] == ["mine"]


def test_a_shared_path_may_be_written_with_a_slash_at_its_end(sh: Shell, tmp_path: Path) -> None:
    layout = Layout(str(tmp_path / "shop"), shared=("var/uploads/",))
    for number in (41, 42, 42):
        install(sh, layout, number)
    Path(layout.shared_directory, "var/uploads/mine").write_text("kept")
    assert Path(layout.release(42), "var/uploads").is_symlink()
    assert names(f"{layout.release(41)}/var/uploads") == ["mine"]


def test_a_switch_to_a_release_that_is_not_there_is_refused(sh: Shell, layout: Layout) -> None:
    install(sh, layout, 41)
    succeed(switch(sh, layout, 41))
    result = switch(sh, layout, 42)
    assert result.returncode == commands.NO_RELEASE
    assert Path(layout.current).readlink() == Path("releases/41")


def test_a_reader_never_finds_current_missing(sh: Shell, layout: Layout) -> None:
    """10^5 opens over 100 switches."""
    for number in (41, 42):
        install(sh, layout, number)
    succeed(switch(sh, layout, 41))
    file, seen, opens, done = Path(layout.current, "app"), set(), 0, threading.Event()

    def switch_often() -> None:
        for turn in range(100):
            succeed(switch(sh, layout, 41 + turn % 2))
        done.set()

    switcher = threading.Thread(target=switch_often)
    switcher.start()
    while opens < 100_000 or not done.is_set():
        with file.open() as opened:
            seen.add(opened.read())
        opens += 1
    switcher.join()
    assert seen == {"release 41", "release 42"}


def test_a_host_refuses_a_lower_fence(sh: Shell, layout: Layout) -> None:
    install(sh, layout, 41)
    ready(sh, layout, Claim(deploy=8, fence=12))
    refused = (preflight(layout, CLAIM, Needs(41, "d")), guarded(layout, CLAIM, commands.switch(layout, CLAIM, 41)))
    for command in refused:
        result = sh(command)
        assert result.returncode == REFUSED_BY_FENCE
        assert "fence 12, deploy 8-0; ours is 3" in result.stdout
    assert not Path(layout.current).exists()


def test_a_later_fence_takes_over_and_the_same_one_goes_on(sh: Shell, layout: Layout) -> None:
    for fence in (3, 3, 4, 10, 100):
        ready(sh, layout, Claim(7, fence))
    assert ready(sh, layout, Claim(7, 100)).fence == 100


def test_old_fences_do_not_pile_up(sh: Shell, layout: Layout) -> None:
    Path(layout.lock, "1").mkdir(parents=True)  # as an earlier Slipway left it
    for fence in range(2, 40):
        ready(sh, layout, Claim(7, fence))
    assert len(names(layout.lock)) <= 2 + LOWER_FENCES
    assert "39" in names(layout.lock)


def test_the_highest_of_many_takers_wins(sh: Shell, layout: Layout) -> None:
    results: dict[int, int] = {}

    def take(fence: int) -> None:
        results[fence] = sh(preflight(layout, Claim(fence, fence), Needs(1, "d"))).returncode

    threads = [threading.Thread(target=take, args=(fence,)) for fence in range(1, 13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results[12] == 0
    assert parse_state(succeed(sh(states.read_state(layout)))).fence == 12


THEIRS = Claim(deploy=900, fence=500, server="b7c1", url="https://other.example")


def test_a_host_that_another_server_works_on_is_refused_in_words_that_name_it(sh: Shell, layout: Layout) -> None:
    ready(sh, layout, THEIRS)
    result = sh(preflight(layout, CLAIM, Needs(1, "d")))
    assert result.returncode == HELD_BY_ANOTHER_SERVER
    assert "another Slipway server is at work on this host: b7c1 https://other.example" in result.stdout
    assert names(layout.lock) == ["500", "renewed", "server"]


def test_a_server_that_has_been_quiet_is_taken_over_from_and_can_do_nothing_more(sh: Shell, layout: Layout) -> None:
    ready(sh, layout, THEIRS)
    install_as_theirs = guarded(layout, THEIRS, commands.make_release(layout, 41, "d"))
    succeed(sh(install_as_theirs))
    before = time.time() - 60 * STALE_MINUTES - 60
    os.utime(f"{layout.lock}/renewed", (before, before))
    assert ready(sh, layout).taken_from == "b7c1 https://other.example"
    assert ready(sh, layout).taken_from == ""
    result = switch(sh, layout, 41, THEIRS)
    assert result.returncode == HELD_BY_ANOTHER_SERVER
    assert "has taken this host over: slipway" in result.stdout
    assert not Path(layout.current).exists()


def test_a_server_whose_deploy_waits_keeps_the_host_though_it_is_silent_until_its_time_is_over(
    sh: Shell, layout: Layout
) -> None:
    ready(sh, layout)
    for seconds, is_held in ((3600, True), (-60 * STALE_MINUTES - 60, False)):
        succeed(sh(guarded(layout, CLAIM, hold(layout, seconds))))
        assert abs(Path(layout.lock, "renewed").stat().st_mtime - time.time() - seconds) < 100
        refused = sh(preflight(layout, THEIRS, Needs(1, "d"))).returncode == HELD_BY_ANOTHER_SERVER
        assert refused == is_held


def test_every_script_shows_that_its_server_is_at_work(sh: Shell, layout: Layout) -> None:
    install(sh, layout, 41)
    before = time.time() - 60 * STALE_MINUTES - 60
    os.utime(f"{layout.lock}/renewed", (before, before))
    succeed(switch(sh, layout, 41))
    assert sh(preflight(layout, THEIRS, Needs(1, "d"))).returncode == HELD_BY_ANOTHER_SERVER


def test_the_state_of_an_untouched_host_is_empty(sh: Shell, layout: Layout) -> None:
    state = parse_state(succeed(sh(states.read_state(layout))))
    assert (state.current, state.digest, state.releases, state.fence, state.marker) == (None, "", (), 0, None)


def test_a_host_tells_what_it_runs(sh: Shell, layout: Layout) -> None:
    install(sh, layout, 41)
    digest = install(sh, layout, 42)
    succeed(switch(sh, layout, 42))
    marker = Marker(42, digest, 7, 3, "activated")
    succeed(sh(guarded(layout, CLAIM, states.write_marker(layout, marker))))
    state = parse_state(succeed(sh(states.read_state(layout))))
    assert (state.current, state.digest, state.releases, state.fence) == (42, digest, (41, 42), 3)
    assert state.marker == marker


def test_old_releases_go_but_never_the_current_or_a_target(sh: Shell, layout: Layout) -> None:
    for number in (1, 2, 3, 9, 10, 11):
        install(sh, layout, number)
    succeed(switch(sh, layout, 2))
    printed = succeed(sh(guarded(layout, CLAIM, commands.prune(layout, CLAIM, 2, (3,)))))
    left = sorted(int(name) for name in names(layout.releases) if name.isdecimal())
    assert left == [2, 3, 10, 11]
    assert sorted(printed.splitlines()) == ["removed release 1", "removed release 9"]


@pytest.mark.parametrize("steps", ["gone", "a file"])
def test_no_release_goes_because_the_directory_of_the_steps_cannot_be_entered(
    sh: Shell, layout: Layout, steps: str
) -> None:
    late = Claim(deploy=500, fence=3)  # its number is far above those of the releases
    for number in (41, 42):
        install(sh, layout, number)
    succeed(switch(sh, layout, 42))
    Path(layout.steps).rmdir()
    if steps == "a file":
        Path(layout.steps).write_text("not a directory")
    prune = commands.prune(layout, late, 5, ())
    succeed(sh(guarded(layout, late, f"(\n{prune}\n) || true")))
    assert names(layout.releases) == ["41", "42"]


def test_the_steps_of_long_ended_deploys_go(sh: Shell, layout: Layout) -> None:
    install(sh, layout, 41)
    for name in ("9-1", "480-1", "490-1"):
        Path(layout.steps, name, "migrate").mkdir(parents=True)
    succeed(sh(guarded(layout, CLAIM, commands.prune(layout, Claim(deploy=501, fence=3), 5, ()))))
    assert names(layout.steps) == ["490-1"]


def test_what_a_dead_deploy_left_is_cleared(sh: Shell, layout: Layout) -> None:
    install(sh, layout, 41)
    for name in (".40.upload", ".40.env.6", ".40.upload.slipway-aa"):
        Path(layout.releases, name).write_text("x")
    Path(layout.releases, ".40.new").mkdir()
    succeed(sh(guarded(layout, CLAIM, commands.prune(layout, CLAIM, 5, ()))))
    assert names(layout.releases) == ["41"]


@pytest.mark.parametrize("needs", [Needs(1, "d", release_bytes=10**15), Needs(1, "d", disk_mb=10**9)])
def test_a_disk_with_too_little_space_is_refused_before_the_upload(sh: Shell, layout: Layout, needs: Needs) -> None:
    result = sh(preflight(layout, CLAIM, needs))
    assert result.returncode == states.NO_SPACE
    assert "MiB free" in result.stdout
    assert "are needed" in result.stdout


def test_a_tool_that_the_host_lacks_is_named(sh: Shell, layout: Layout) -> None:
    result = sh(preflight(layout, CLAIM, Needs(1, "d", tools=("no-such-tool",))))
    assert (result.returncode, result.stdout) == (states.MISSING_TOOL, "this host lacks no-such-tool\n")


def test_a_host_where_sudo_wants_a_password_is_refused(sh: Shell, layout: Layout, tmp_path: Path) -> None:
    sudo = tmp_path / "bin/sudo"
    sudo.parent.mkdir()
    sudo.write_text('#!/bin/sh\n[ "$1 $2" = \'-n true\' ] || exit 9\nexit $(cat "${0%/*}/answer")\n')
    sudo.chmod(0o755)
    script = f"PATH={shlex.quote(str(sudo.parent))}:$PATH\n" + preflight(layout, CLAIM, Needs(1, "d", sudo=True))
    for answer, status in ((1, states.NO_SUDO), (0, 0)):
        (sudo.parent / "answer").write_text(str(answer))
        result = sh(script)
        assert result.returncode == status
        assert ("NOPASSWD" in result.stdout) == (status != 0)


def take_configuration(sh: Shell, layout: Layout, data: bytes, lines: int) -> subprocess.CompletedProcess[str]:
    return sh(guarded(layout, CLAIM, commands.receive_environment(layout, CLAIM, 41, lines), "echo $(cat)"), data)


def test_a_configuration_waits_beside_the_release_until_the_switch(sh: Shell, layout: Layout) -> None:
    install(sh, layout, 41)
    assert succeed(take_configuration(sh, layout, b"A=new\nand the rest", 1)) == "and the rest\n"
    assert Path(layout.environment_file(41, 7)).stat().st_mode & 0o777 == 0o600
    assert not Path(layout.release(41), ".env").exists()
    succeed(sh(guarded(layout, CLAIM, commands.place_environment(layout, CLAIM, 41))))
    assert Path(layout.release(41), ".env").read_text() == "A=new\n"


def test_every_byte_of_a_configuration_arrives(sh: Shell, layout: Layout) -> None:
    ready(sh, layout)
    values = {"ALL": "".join(map(chr, range(1, 0x250))), "WIDE": "あ  \\n \t end ", "LINES": "\n\n a\n"}
    data = render_environment(values)
    succeed(take_configuration(sh, layout, data, data.count(b"\n")))
    assert Path(layout.environment_file(41, 7)).read_bytes() == data


def test_a_configuration_that_is_cut_off_is_refused(sh: Shell, layout: Layout) -> None:
    ready(sh, layout)
    result = take_configuration(sh, layout, b"A=1\nB=", 2)
    assert (result.returncode, result.stdout) == (commands.CUT_OFF, "the configuration did not arrive whole\n")
    assert names(layout.releases) == []


def test_changed_and_missing_files_of_a_release_are_named(sh: Shell, layout: Layout) -> None:
    files = {"app": "x", "lib/it's b": "y", "gone": "z", "var/uploads/theirs": "shared"}
    install(sh, layout, 41, files)
    assert succeed(sh(commands.changed_files(layout, 41))) == ""
    Path(layout.release(41), ".env").write_text("A=1\n")
    Path(layout.release(41), "var/uploads/mine").write_text("new")
    assert succeed(sh(commands.changed_files(layout, 41))) == ""
    Path(layout.release(41), "lib/it's b").write_text("by hand")
    Path(layout.release(41), "gone").unlink()
    assert sorted(succeed(sh(commands.changed_files(layout, 41))).splitlines()) == ["gone", "lib/it's b"]
    assert len(succeed(sh(commands.changed_files(layout, 41, at_most=1))).splitlines()) == 1
    assert succeed(sh(commands.changed_files(layout, 99))) == ""


def test_a_configuration_survives_sh_unchanged(sh: Shell, tmp_path: Path) -> None:
    values = {"PLAIN": "a/b:1", "HARD": 'it\'s "$HOME" `id` \\n\nsecond line é ', "EMPTY": ""}
    (tmp_path / "env").write_bytes(render_environment(values))
    for name, value in values.items():
        assert succeed(sh(f'. {tmp_path}/env; printf %s "${name}"')) == value


@pytest.mark.parametrize("values", [{"a-b": "1"}, {"": "1"}, {"A": "\0"}, {"A=B": "1"}, {"A\n": "1"}])
def test_a_configuration_that_cannot_be_written_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(BadConfiguration):
        render_environment(values)


@pytest.mark.parametrize("path", ["/", "/srv", "srv/shop", "/srv/../etc", "", "/srv/shop\0"])
def test_a_dangerous_deploy_path_is_refused(path: str) -> None:
    with pytest.raises(BadLayout):
        Layout(path)


@pytest.mark.parametrize("shared", ["/etc", "../x", "", "a/../../b"])
def test_a_shared_path_that_leaves_the_release_is_refused(shared: str) -> None:
    with pytest.raises(BadLayout):
        Layout("/srv/shop", (shared,))
