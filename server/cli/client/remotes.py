"""Where the repository around a directory is cloned from. Reads only git's own files."""

import re
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

_SECTION = re.compile(r'\[\s*remote\s+"(?P<name>(?:[^"\\]|\\.)*)"\s*\]', re.IGNORECASE)
_VALUE = re.compile(r"(?P<key>[A-Za-z][A-Za-z0-9-]*)\s*=\s*(?P<value>.*)")
_FIRST = ("upstream", "origin")  # of a fork, its project is the upstream's


def of_repository(directory: Path) -> list[str]:
    """The URLs of its remotes without credentials, the likeliest first; none outside of a repository."""
    try:
        return _in_order(parse((_common_folder(directory) / "config").read_text(errors="replace")))
    except OSError:
        return []


def parse(config: str) -> dict[str, str]:
    """Each remote's first URL by the remote's name, from the text of a repository's config."""
    found: dict[str, str] = {}
    name = ""
    for line in map(str.strip, config.splitlines()):
        if line.startswith("["):
            section = _SECTION.match(line)
            name = section["name"] if section else ""
        elif name and (value := _VALUE.match(line)) and value["key"].lower() == "url":
            found.setdefault(name, without_credentials(_unquoted(value["value"])))
    return {name: url for name, url in found.items() if url}


def without_credentials(url: str) -> str:
    """A remote as it may be shown to a server: of a web address no user, no password and no query."""
    if not re.match(r"https?://", url, re.IGNORECASE):
        return url
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _in_order(remotes: dict[str, str]) -> list[str]:
    first = [remotes[name] for name in _FIRST if name in remotes]
    return list(dict.fromkeys([*first, *remotes.values()]))


def _unquoted(value: str) -> str:
    if value.startswith('"'):
        return value[1:].partition('"')[0]
    return re.split(r"\s[#;]", value)[0].strip()


def _common_folder(directory: Path) -> Path:
    """The folder that holds `config`: of a linked working tree it is another than the one `.git` names."""
    place = directory.resolve()
    root = next((each for each in (place, *place.parents) if (each / ".git").exists()), place)
    git = root / ".git"
    if git.is_file():
        git = (root / git.read_text().removeprefix("gitdir:").strip()).resolve()
        if (common := git / "commondir").is_file():
            return (git / common.read_text().strip()).resolve()
    return git
