"""Root file systems made from the distribution's own packages, for machines that reach no image registry."""

import io
import platform
import subprocess
import tarfile
import tempfile
from pathlib import Path

TREE_PACKAGES = ("python3", "openssh-server", "procps", "curl", "sudo", "ca-certificates")
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
_PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/false\n"
_GROUP = "root:x:0:\nnogroup:x:65534:\n"


def suite() -> str:
    """The release this machine runs when it is Debian or Ubuntu, whose packages it can surely reach."""
    release = platform.freedesktop_os_release()
    if release.get("ID") in ("debian", "ubuntu"):
        return release["VERSION_CODENAME"]
    return "bookworm"


def write_tree(target: Path) -> None:
    """Write a small system with Python, sshd and sudo as a tar: about 25 s and 200 MB."""
    options = [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
    options += ["--dpkgopt=force-unsafe-io", '--customize-hook=rm "$1"/etc/ssh/ssh_host_*']
    _mmdebstrap("minbase", TREE_PACKAGES, target, *options)


def write_busybox(target: Path) -> None:
    """Write a tar that holds one static busybox under all its names, and nothing else that runs."""
    program = _busybox()
    with tarfile.open(target, "w") as tar:
        for folder, mode in (("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("tmp", 0o1777)):
            _add_folder(tar, folder, mode)
        _add_file(tar, "bin/busybox", program, 0o755)
        _add_file(tar, "etc/passwd", _PASSWD.encode(), 0o644)
        _add_file(tar, "etc/group", _GROUP.encode(), 0o644)
        for name in _applets(program):
            _add_link(tar, f"bin/{name}", "busybox")


def write_shell_less(target: Path) -> None:
    """Write a tar with a static program but no shell: what a mistaken `image:` may name."""
    with tarfile.open(target, "w") as tar:
        _add_folder(tar, "tmp", 0o1777)
        _add_file(tar, "true", _busybox(), 0o755)


def _mmdebstrap(variant: str, packages: tuple[str, ...], target: Path, *options: str) -> None:
    chosen = ["--format=tar", f"--variant={variant}", f"--include={','.join(packages)}", *options]
    command = ["mmdebstrap", "--quiet", *chosen, suite(), str(target), *_sources()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"mmdebstrap could not make {target.name}:\n{done.stderr[-2000:]}")


def _sources() -> list[str]:
    """This machine's own package sources of the suite; none where apt knows none yet: mmdebstrap's default."""
    fields = "deb $(REPO_URI) $(RELEASE) $(COMPONENT)|$(ORIGIN)"
    command = ["apt-get", "indextargets", "--format", fields, "Created-By: Packages"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    rows = {row.rpartition("|")[0] for row in listed.splitlines() if row.endswith(("|Debian", "|Ubuntu"))}
    return sorted(row for row in rows if row.split()[2].startswith(suite()))


def _busybox() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory) / "busybox.tar"
        _mmdebstrap("extract", ("busybox-static",), tree)
        with tarfile.open(tree) as tar:
            names = [name for name in tar.getnames() if name.endswith("bin/busybox")]
            member = tar.extractfile(names[0])
            assert member is not None
            return member.read()


def _applets(program: bytes) -> list[str]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "busybox"
        path.write_bytes(program)
        path.chmod(0o755)
        listed = subprocess.run([path, "--list"], capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split() if name != "busybox"]


def _add_folder(tar: tarfile.TarFile, name: str, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    tar.addfile(entry)


def _add_file(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


def _add_link(tar: tarfile.TarFile, name: str, to: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, to
    tar.addfile(entry)
