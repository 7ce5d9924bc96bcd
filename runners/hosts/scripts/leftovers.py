"""Pure: what is done about steps of other deploys that still run on a host.

Its lock is ours by then, so that no other deploy may begin or go on with anything there: what it had begun is ended.
A migration is left alone, for nobody but a person knows what it means to end it.
"""

from shlex import quote

from pipelines.errors import UserError
from runners.hosts.scripts.hostlock import Claim
from runners.hosts.scripts.layout import Layout
from runners.hosts.ssh.sessions import END

DOES_NOT_END = 84
GRACE_SECONDS = 5
MIGRATION = "migrate"

# Of the step whose directory is in `step`. Alive means: the same process since the same boot, not another one that got
# its number.
ALIVE = """\
born() { { read -r line < "/proc/$1/stat"; } 2>/dev/null || return 1; set -- ${line##*) }; echo "${20}"; }
boot() { read -r line < /proc/sys/kernel/random/boot_id; echo "$line"; }
alive() {
  [ -f "$step/process" ] || return 1
  read -r pid birth booted < "$step/process"
  [ "$(boot)" = "$booted" ] && [ "$(born "$pid")" = "$birth" ]
}
"""

# A step that was started and has not named its process yet will not begin.
STOP = '[ ! -d "$step" ] || : > "$step/stopped"'


class MigrationRuns(UserError):
    """Another deploy's migration is under way on a host: nothing may be begun beside it, on this host or another."""


def end_leftovers(layout: Layout, claim: Claim) -> str:
    """End other deploys' steps and print `ended=<name>` once they are gone; print `migrating=<session>` for a
    migration. Ends the script with a sentence if one does not end."""
    mine = quote(f"{layout.steps}/{claim.deploy:d}-{claim.token}")
    return "\n".join(
        (
            f"{ALIVE}for step in {quote(layout.steps)}/*/*; do",
            f'  if [ "${{step%/*}}" = {mine} ] || [ -f "$step/exit" ]; then continue; fi',
            f'  if [ "${{step##*/}}" = {MIGRATION} ]; then if alive; then echo "migrating=$pid"; fi; continue; fi',
            f"  {STOP}; alive || continue",
            f'  said=$(sh -c {quote(END)} sh "$pid" {GRACE_SECONDS:d}) || {{',
            '    echo "${step##*/} of an earlier deploy still runs on this host, in session $pid, and cannot be ended:'
            f' $said"; exit {DOES_NOT_END}; }}',
            '  echo "ended=${step##*/}"',
            "done",
        )
    )


def migration_runs(address: object, session: str) -> MigrationRuns:
    return MigrationRuns(
        f"{address}: the migration of an earlier deploy still runs on this host, in session {session}; nothing is begun"
        f" beside it. Wait until it has ended, or end it there (kill -TERM -{session}) and look what it has done; then"
        " deploy again."
    )
