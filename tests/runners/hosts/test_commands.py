"""The commands that a host is given, run for real under dash with coreutils and under busybox."""

import gzip
import hashlib
import io
import subprocess
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from runners.hosts import commands
from runners.hosts.commands import Claim, Marker, parse_state
from runners.hosts.layout import BadConfiguration, BadLayout, Layout, render_environment

Shell = Callable[[str], subprocess.CompletedProcess[str]]
CLAIM = Claim(deploy=7, fence=3)


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

    def run(script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, "-c", script], capture_output=True, text=True, env={"PATH": path}, check=False)

    return run


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(str(tmp_path / "it's here"), shared=("var/uploads",))


def make_archive(layout: Layout, number: int, files: dict[str, str]) -> str:
    """Put an archive where an upload ends up, gzipped if the number is odd; gives its digest."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content.encode()))
    data = gzip.compress(plain.getvalue(), mtime=0) if number % 2 else plain.getvalue()
    Path(layout.upload(number)).write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def names(directory: str) -> list[str]:
    return sorted(entry.name for entry in Path(directory).iterdir())


def succeed(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    return result.stdout


def install(sh: Shell, layout: Layout, number: int, files: dict[str, str] | None = None) -> str:
    """All that one host goes through up to the switch."""
    succeed(sh(commands.take_lock(layout, CLAIM)))
    succeed(sh(commands.prepare(layout, CLAIM, 1000)))
    digest = make_archive(layout, number, files or {"app": f"release {number}"})
    succeed(sh(commands.unpack(layout, CLAIM, number, digest)))
    succeed(sh(commands.link_shared(layout, CLAIM, number)))
    return digest


def test_a_release_is_unpacked_whole_and_switched_to(sh: Shell, layout: Layout) -> None:
    digest = install(sh, layout, 41)
    assert not Path(layout.current).exists()
    succeed(sh(commands.switch(layout, CLAIM, 41)))
    assert Path(layout.current, "app").read_text() == "release 41"
    assert Path(layout.current).readlink() == Path("releases/41")
    succeed(sh(commands.has_release(layout, 41, digest)))
    assert not Path(layout.upload(41)).exists()


def test_every_command_may_be_repeated(sh: Shell, layout: Layout) -> None:
    for _ in range(2):
        install(sh, layout, 41)
        succeed(sh(commands.switch(layout, CLAIM, 41)))
        succeed(sh(commands.write_marker(layout, Marker(41, "d", 7, 3, "switched"))))
        succeed(sh(commands.place_environment(layout, CLAIM, 41)))
        succeed(sh(commands.prune(layout, CLAIM, 3, ())))
    assert Path(layout.current, "app").read_text() == "release 41"


@pytest.mark.parametrize("number", [41, 42])
def test_the_named_directory_of_the_archive_becomes_the_release(sh: Shell, layout: Layout, number: int) -> None:
    succeed(sh(commands.prepare(layout, CLAIM, 1000)))
    digest = make_archive(layout, number, {"out/dist/app": "x", "out/dist/bin/run": "y"})
    succeed(sh(commands.unpack(layout, CLAIM, number, digest, "out/dist")))
    assert Path(layout.release(number), "bin/run").read_text() == "y"
    assert names(layout.releases) == [str(number)]


def test_a_single_file_becomes_a_release_that_holds_it(sh: Shell, layout: Layout) -> None:
    succeed(sh(commands.prepare(layout, CLAIM, 1000)))
    digest = make_archive(layout, 41, {"out/app.jar": "x"})
    succeed(sh(commands.unpack(layout, CLAIM, 41, digest, "out/app.jar")))
    assert names(layout.release(41)) == [".slipway-digest", "app.jar"]


def test_an_archive_with_another_digest_is_refused(sh: Shell, layout: Layout) -> None:
    succeed(sh(commands.prepare(layout, CLAIM, 1000)))
    make_archive(layout, 41, {"app": "x"})
    result = sh(commands.unpack(layout, CLAIM, 41, "0" * 64))
    assert result.returncode == commands.WRONG_DIGEST
    assert "instead of 000" in result.stdout
    assert not Path(layout.release(41)).exists()


def test_a_release_that_is_there_from_another_archive_is_left_alone(sh: Shell, layout: Layout) -> None:
    install(sh, layout, 41)
    digest = make_archive(layout, 41, {"app": "another"})
    result = sh(commands.unpack(layout, CLAIM, 41, digest))
    assert result.returncode == commands.WRONG_DIGEST
    assert "from another archive" in result.stdout
    assert Path(layout.release(41), "app").read_text() == "release 41"


def test_a_half_unpacked_release_is_made_anew(sh: Shell, layout: Layout) -> None:
    succeed(sh(commands.prepare(layout, CLAIM, 1000)))
    rest = Path(layout.releases, ".41.new")
    rest.mkdir()
    (rest / "rest").write_text("of a killed deploy")
    install(sh, layout, 41)
    assert sorted(path.name for path in Path(layout.release(41)).iterdir()) == [".slipway-digest", "app", "var"]


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
    succeed(sh(commands.switch(layout, CLAIM, 41)))
    result = sh(commands.switch(layout, CLAIM, 42))
    assert result.returncode == commands.NO_RELEASE
    assert Path(layout.current).readlink() == Path("releases/41")


def test_a_reader_never_finds_current_missing(sh: Shell, layout: Layout) -> None:
    """10^5 opens over 100 switches."""
    for number in (41, 42):
        install(sh, layout, number)
    succeed(sh(commands.switch(layout, CLAIM, 41)))
    file, seen, opens, done = Path(layout.current, "app"), set(), 0, threading.Event()

    def switch_often() -> None:
        for turn in range(100):
            succeed(sh(commands.switch(layout, CLAIM, 41 + turn % 2)))
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
    later = Claim(deploy=8, fence=12)
    succeed(sh(commands.take_lock(layout, later)))
    refused = (
        commands.take_lock(layout, CLAIM),
        commands.switch(layout, CLAIM, 41),
        commands.unpack(layout, CLAIM, 41, "0" * 64),
        commands.place_environment(layout, CLAIM, 41),
        commands.write_marker(layout, Marker(41, "d", 7, 3, "switched")),
        commands.prune(layout, CLAIM, 1, ()),
    )
    for command in refused:
        result = sh(command)
        assert result.returncode == commands.REFUSED_BY_FENCE
        assert "fence 12, deploy 8; ours is 3" in result.stdout
    assert not Path(layout.current).exists()


def test_a_later_fence_takes_over_and_the_same_one_goes_on(sh: Shell, layout: Layout) -> None:
    for fence in (3, 3, 4, 10, 100):
        succeed(sh(commands.take_lock(layout, Claim(7, fence))))
    assert names(layout.lock) == ["100"]


def test_the_highest_of_many_takers_wins(sh: Shell, layout: Layout) -> None:
    results: dict[int, int] = {}

    def take(fence: int) -> None:
        results[fence] = sh(commands.take_lock(layout, Claim(fence, fence))).returncode

    threads = [threading.Thread(target=take, args=(fence,)) for fence in range(1, 13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results[12] == 0
    assert parse_state(succeed(sh(commands.read_state(layout)))).fence == 12


def test_the_state_of_an_untouched_host_is_empty(sh: Shell, layout: Layout) -> None:
    state = parse_state(succeed(sh(commands.read_state(layout))))
    assert (state.current, state.digest, state.releases, state.fence, state.marker) == (None, "", (), 0, None)


def test_a_host_tells_what_it_runs(sh: Shell, layout: Layout) -> None:
    install(sh, layout, 41)
    digest = install(sh, layout, 42)
    succeed(sh(commands.switch(layout, CLAIM, 42)))
    marker = Marker(42, digest, 7, 3, "activated")
    succeed(sh(commands.write_marker(layout, marker)))
    state = parse_state(succeed(sh(commands.read_state(layout))))
    assert (state.current, state.digest, state.releases, state.fence) == (42, digest, (41, 42), 3)
    assert state.marker == marker


def test_old_releases_go_but_never_the_current_or_a_target(sh: Shell, layout: Layout) -> None:
    for number in (1, 2, 3, 9, 10, 11):
        install(sh, layout, number)
    succeed(sh(commands.switch(layout, CLAIM, 2)))
    printed = succeed(sh(commands.prune(layout, CLAIM, 2, (3,))))
    left = sorted(int(name) for name in names(layout.releases) if name.isdecimal())
    assert left == [2, 3, 10, 11]
    assert printed.splitlines() == ["removed release 9", "removed release 1"]


def test_what_a_dead_deploy_left_is_cleared(sh: Shell, layout: Layout) -> None:
    install(sh, layout, 41)
    for name in (".40.upload", ".40.env.6", ".40.upload.slipway-aa"):
        Path(layout.releases, name).write_text("x")
    Path(layout.releases, ".40.new").mkdir()
    succeed(sh(commands.prune(layout, CLAIM, 5, ())))
    assert names(layout.releases) == ["41"]


def test_a_disk_with_too_little_space_is_refused_before_the_upload(sh: Shell, layout: Layout) -> None:
    result = sh(commands.prepare(layout, CLAIM, 10**15))
    assert result.returncode == commands.NO_SPACE
    assert "MiB free" in result.stdout
    assert "are needed" in result.stdout


def test_a_configuration_waits_beside_the_release_until_the_switch(sh: Shell, layout: Layout) -> None:
    install(sh, layout, 41)
    Path(layout.environment_file(41, 7)).write_text("A=new\n")
    assert not Path(layout.release(41), ".env").exists()
    succeed(sh(commands.place_environment(layout, CLAIM, 41)))
    assert Path(layout.release(41), ".env").read_text() == "A=new\n"


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
