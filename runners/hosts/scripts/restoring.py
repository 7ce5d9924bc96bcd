"""Pure: put files of a release that lies on a host back as they were shipped, each with one rename."""

from shlex import quote

from runners.hosts.scripts.commands import MANIFEST, Parcel, link_shared, unpack_beside
from runners.hosts.scripts.layout import Layout

_RESTORE = """\
release=$1; shift
for file; do
  cmp -s "$file" "$release/$file" || {
    mkdir -p "$release/${file%/*}" && cp -p "$file" "$release/$file.slipway-new" &&
      mv -f "$release/$file.slipway-new" "$release/$file" && echo "restored ${file#./}"; } || exit 1
done"""


def restore_files(layout: Layout, number: int, parcel: Parcel) -> str:
    """Take the archive from the rest of the input, and replace what differs from it. What the archive does not have,
    sockets and caches say, stays: the release may be serving."""
    release = quote(layout.release(number))
    shipped = "find . -type f ! -path './.env' ! -path './.slipway-*' -exec"
    return "\n".join(
        (
            *unpack_beside(layout, number, parcel),
            f'( cd "$ready"; rm -f .slipway-*; {shipped} sha256sum {{}} + > {MANIFEST}',
            f"  {shipped} sh -c {quote(_RESTORE)} sh {release} {{}} +",
            f"  mv -f {MANIFEST} {release}/{MANIFEST} )",
            f"rm -rf {quote(layout.releases)}/.{number:d}.new {quote(layout.releases)}/.{number:d}.ready"
            f" {quote(layout.upload(number))}",
            link_shared(layout, number),
        )
    )
