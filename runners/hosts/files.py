"""The lane of releases that are files: an archive becomes releases/<n>, with its shared paths linked."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from pipelines.deploys.models import DeployKind, Phase
from runners.hosts.lane import Lane
from runners.hosts.scripts import commands
from runners.hosts.scripts.commands import Parcel
from runners.hosts.scripts.restoring import restore_files
from runners.hosts.scripts.states import HostState, Needs

# A packed archive and what is in it lie on the host side by side for a moment.
UNPACKED_RATIO = 4
# What is there in a moment needs no phase of its own.
QUICK_BYTES = 4 * 1024 * 1024
BLOCK_BYTES = 32 * 1024


class FilesLane(Lane):
    """One host that gets files."""

    @property
    def _directory(self) -> str:
        return self.plan.layout.release(self.plan.number)

    def _needs(self) -> Needs:
        requires = self.plan.spec.requires
        return Needs(
            self.plan.number,
            self.plan.digest,
            tools=("tar", "gzip", "wc", *requires.tools),
            sudo=requires.sudo,
            disk_mb=requires.disk_mb,
            release_bytes=self.plan.archive.size * UNPACKED_RATIO,
        )

    def _upload(self, state: HostState) -> None:
        plan = self.plan
        if state.has_release and self._has_changed():
            self._send(state, restore_files(plan.layout, plan.number, self._parcel()), files=self._blocks)
            said = f"the files of release {plan.number} are as they were shipped again"
        elif state.has_release:
            self._send(state, commands.link_shared(plan.layout, plan.number))
            said = f"release {plan.number} is here already, digest {plan.digest[:12]} matches"
        else:
            if plan.archive.size > QUICK_BYTES:
                self.note(Phase.UPLOADING)
            files = plan.archive.files(plan.layout.shared)
            parcel = replace(self._parcel(), files_bytes=len(files))
            script = commands.receive_archive(plan.layout, plan.number, parcel)
            self._send(state, script, files=lambda: chain(self._blocks(), [files]))
            said = f"uploaded {plan.archive.size} bytes, digest {plan.digest[:12]} matches"
        self.note(Phase.UPLOADED, said)

    def _has_changed(self) -> bool:
        """Whether a repair finds files that are not as they were shipped; other deploys trust what lies there."""
        plan = self.plan
        if plan.deploy.kind != DeployKind.REPAIR:
            return False
        changed = commands.changed_files(plan.layout, plan.number)
        return bool(self.do(changed, "looking at the release's files", commands.CHANGED_SECONDS).strip())

    def _parcel(self) -> Parcel:
        archive = self.plan.archive
        return Parcel(archive.digest, archive.stored_size, archive.is_gzipped, archive.root)

    def _blocks(self) -> Iterator[bytes]:
        with self.plan.archive.open() as file:
            while block := file.read(BLOCK_BYTES):
                yield block
