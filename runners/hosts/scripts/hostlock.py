"""Pure: who may act on a host. A deploy by its fence, a server by its name; each script begins with the question."""

import re
from dataclasses import dataclass
from shlex import quote

from runners.hosts.scripts.layout import Layout

REFUSED_BY_FENCE = 73
HELD_BY_ANOTHER_SERVER = 78
# A server that has been quiet on a host for so long has let go of it.
STALE_MINUTES = 5
LOWER_FENCES = 8


@dataclass(frozen=True, slots=True)
class Claim:
    """Who acts on a host: a deploy, by the fence of its lease. A host obeys the highest fence it ever saw.

    `token` tells the deploy from one that had its number before the database was made anew. `server` is one word, the
    same for all workers of a server and for no other server; `url` is where people find it.
    """

    deploy: int
    fence: int
    token: str = "0"
    server: str = "slipway"
    url: str = ""


def guarded(layout: Layout, claim: Claim, *parts: str) -> str:
    """A script of these parts that refuses if the host is another's, and stops at the first command that fails."""
    return "\n".join(("set -eu", "umask 022", guard(layout, claim), *parts))


def guard(layout: Layout, claim: Claim) -> str:
    """Refuse to go on if a later deploy or another server has taken this host over; else stay its holder."""
    return (
        f"{_read_holder(layout)}\n"
        f'if [ -n "$holder" ] && [ "$holder" != {quote(claim.server)} ]; then\n'
        '  echo "another Slipway server has taken this host over: $holder $holder_url"\n'
        f"  exit {HELD_BY_ANOTHER_SERVER}\n"
        "fi\n"
        f"for seen in {quote(layout.lock)}/[0-9]*; do\n"
        f'  if [ -e "$seen" ] && [ "${{seen##*/}}" -gt {claim.fence:d} ]; then\n'
        '    taker=; { read -r taker < "$seen"; } 2>/dev/null || true\n'
        f'    echo "a later deploy has this host: fence ${{seen##*/}}, deploy $taker; ours is {claim.fence:d}"\n'
        f"    exit {REFUSED_BY_FENCE}\n"
        "  fi\n"
        "done\n"
        f'[ -z "$holder" ] || {renew(layout)}'
    )


def read_refusal(text: str) -> tuple[int, str] | None:
    """The fence that refused ours and who has it, as `<deploy>-<token>`; None if no fence of this server's did."""
    found = re.search(r"a later deploy has this host: fence (\d+), deploy (\S*);", text)
    return (int(found[1]), found[2]) if found else None


def renew(layout: Layout) -> str:
    """Show that the holder is still at work."""
    return f"echo > {quote(layout.lock)}/renewed"


def hold(layout: Layout, seconds: int) -> str:
    """Be taken for at work for so long though nothing is heard of us; the next script of ours ends that."""
    return f'touch -d "@$(($(date +%s) + {seconds:d}))" {quote(layout.lock)}/renewed'


def take(layout: Layout, claim: Claim) -> str:
    """Become the host's holder and raise its fence to ours; prints `taken_from=…` if a silent server had it.

    Refuses while another server is at work here, or if the host has seen a higher fence. Fences are names in one
    directory and the highest counts, so no order of two takers can lose one; they count for one server only. Lower
    ones count for nothing and are cleared away when there are many.
    """
    lock, mine = quote(layout.lock), f"{quote(layout.lock)}/{claim.fence:d}"
    return "\n".join(
        (
            _read_holder(layout),
            f'if [ -n "$holder" ] && [ "$holder" != {quote(claim.server)} ]; then',
            f'  if [ -n "$(find {lock}/renewed -mmin -{STALE_MINUTES:d} 2>/dev/null)" ]; then',
            '    echo "another Slipway server is at work on this host: $holder $holder_url; it is let go once that'
            f" one has been quiet here for {STALE_MINUTES:d} minutes, and is not in the middle of a deploy. If that"
            f' server is no more, remove there:" {lock}; exit {HELD_BY_ANOTHER_SERVER}',
            "  fi",
            '  echo "taken_from=$holder $holder_url"',
            f"  rm -rf {lock}",
            "  holder=",
            "fi",
            f"[ -d {lock} ] || mkdir -p {lock}",
            f"[ ! -d {mine} ] || rm -rf {mine}",  # as an earlier Slipway left it
            'if [ -z "$holder" ]; then',
            f"  echo {quote(claim.server)} {quote(claim.url)} > {lock}/server.$$; mv -f {lock}/server.$$ {lock}/server",
            "fi",
            f"echo {claim.deploy:d}-{quote(claim.token)} > {mine}",
            guard(layout, claim),
            f"lower=; count=0; for seen in {lock}/[0-9]*; do",
            f'  [ "${{seen##*/}}" -ge {claim.fence:d} ] || {{ lower="$lower ${{seen##*/}}"; count=$((count + 1)); }}',
            "done",
            f'[ "$count" -lt {LOWER_FENCES:d} ] || ( cd {lock} && rm -rf $lower )',
        )
    )


def _read_holder(layout: Layout) -> str:
    return f"holder= holder_url=; {{ read -r holder holder_url < {quote(layout.lock)}/server; }} 2>/dev/null || true"
