"""The lab's images, the same by name whether a registry can be reached or not.

`python -m tests.lab.images` makes them all; with `needs` it only names the system packages that would take.
"""

import hashlib
import inspect
import io
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from docker import DockerClient
from docker.errors import BuildError, DockerException, ImageNotFound
from requests.exceptions import RequestException

from tests.lab import rootfs
from tests.lab.ground import cache_directory, only_one, open_engine

_REGISTRY_SECONDS = 5
_REGISTRY_BASE = "debian:bookworm-slim"
_INSTALL = (
    "RUN apt-get update && apt-get install -y --no-install-recommends "
    + " ".join(rootfs.TREE_PACKAGES)
    + " && rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_*"
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Two ways to one image: a tar of packages, or a Dockerfile."""

    name: str
    write: Callable[[Path], None]
    dockerfile: str
    settings: tuple[str, ...]

    @property
    def tag(self) -> str:
        """The image's full name; another recipe, or another release of the machine, gives another."""
        parts = (self.dockerfile, *self.settings, inspect.getsource(rootfs), rootfs.suite())
        return f"slipway-lab/{self.name}:{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:12]}"

    @property
    def tar(self) -> Path:
        """The recipe's tar in the cache, shared by the recipes that write the same one."""
        mark = hashlib.sha256(f"{inspect.getsource(rootfs)}{rootfs.suite()}".encode()).hexdigest()[:12]
        return cache_directory() / f"{self.write.__name__.removeprefix('write_')}-{mark}.tar"


_SYSTEM = f"FROM {_REGISTRY_BASE}\n{_INSTALL}\n"
RECIPES = {
    "busybox": Recipe("busybox", rootfs.write_busybox, "FROM busybox:stable\n", ('CMD ["/bin/sh"]',)),
    "shell-less": Recipe("shell-less", rootfs.write_shell_less, "FROM hello-world:latest\n", ('CMD ["/true"]',)),
    "python": Recipe("python", rootfs.write_tree, _SYSTEM, ('CMD ["python3"]', "ENV LANG=C.UTF-8")),
    "host": Recipe("host", rootfs.write_tree, _SYSTEM, ("EXPOSE 22 8000", "ENV LANG=C.UTF-8")),
}


def image(name: str, engine: DockerClient | None = None) -> str:
    """The tag of the lab image called `name`, made first if this engine lacks it (the slowest takes 40 s)."""
    recipe = RECIPES[name]
    engine = engine or open_engine()
    if not _present(engine, recipe):
        with only_one("images"):
            if not _present(engine, recipe):
                _make(engine, recipe)
    return recipe.tag


def needed_packages(engine: DockerClient) -> list[str]:
    """System packages without which the images could not be made here; none when all are at hand."""
    missing = [recipe for recipe in RECIPES.values() if not _present(engine, recipe)]
    tools = {"mmdebstrap": "mmdebstrap"} | ({"newuidmap": "uidmap"} if os.geteuid() else {})
    packages = [package for program, package in tools.items() if not shutil.which(program)]
    if not packages or all(recipe.tar.exists() for recipe in missing) or registry_answers(engine):
        return []
    return packages


def registry_answers(engine: DockerClient) -> bool:
    """Whether the engine reaches the registry of the Dockerfiles' base within five seconds."""
    patience, engine.api.timeout = engine.api.timeout, _REGISTRY_SECONDS
    try:
        engine.images.get_registry_data(_REGISTRY_BASE)
    except (DockerException, RequestException):
        return False
    finally:
        engine.api.timeout = patience
    return True


def _present(engine: DockerClient, recipe: Recipe) -> bool:
    try:
        engine.images.get(recipe.tag)
    except ImageNotFound:
        return False
    return True


def _make(engine: DockerClient, recipe: Recipe) -> None:
    if not recipe.tar.exists() and registry_answers(engine):
        _build(engine, recipe)
        return
    if not recipe.tar.exists():
        _write(recipe)
    _load(engine, recipe)


def _write(recipe: Recipe) -> None:
    """Write the recipe's tar whole or not at all; tars that older recipes left are removed."""
    draft = recipe.tar.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    recipe.write(draft)
    for old in recipe.tar.parent.glob(f"{recipe.tar.name.partition('-')[0]}-*.tar"):
        old.unlink()
    draft.rename(recipe.tar)


def _load(engine: DockerClient, recipe: Recipe) -> None:
    repository, tag = recipe.tag.split(":")
    engine.api.import_image(
        src=str(recipe.tar), repository=repository, tag=tag, changes=list(recipe.settings), stream_src=True
    )
    engine.images.get(recipe.tag)


def _build(engine: DockerClient, recipe: Recipe) -> None:
    text = recipe.dockerfile + "\n".join(recipe.settings) + "\n"
    proxies = {key: value for key, value in os.environ.items() if key.lower().endswith("_proxy")}
    try:
        engine.images.build(
            fileobj=io.BytesIO(text.encode()), tag=recipe.tag, buildargs=proxies, network_mode="host", rm=True
        )
    except BuildError as error:
        told = "".join(str(part.get("stream", "")) for part in error.build_log if isinstance(part, dict))
        raise RuntimeError(f"{recipe.tag} could not be built:\n{told[-2000:]}") from error


def main() -> None:
    """Make every image, or name the packages that are needed for it."""
    engine = open_engine()
    if "needs" in sys.argv[1:]:
        print(" ".join(needed_packages(engine)))
        return
    for name in RECIPES:
        began = time.monotonic()
        print(f"image {image(name, engine)} ready in {time.monotonic() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main()
