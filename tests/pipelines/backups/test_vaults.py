"""A vault keeps what was put into it, once, and says when it is not that any more."""

import io
import json
from pathlib import Path

import pytest

from pipelines.backups.vault import BrokenBackup, Kept, Manifest, NoBackup, Vault


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    made = Vault(tmp_path / "vault")
    made.open_up()
    return made


def manifest(*storage: Kept, made_at: str = "2026-11-21T20:00:00+00:00") -> Manifest:
    return Manifest(made_at, "0.1.0", "sqlite", ("runs.0001_initial",), {"secret_key": "a"}, (), storage)


def put(vault: Vault, name: str, data: bytes) -> Kept:
    return vault.put(name, io.BytesIO(data))


def test_the_same_content_is_kept_once_whatever_it_is_called(vault: Vault) -> None:
    first, second = put(vault, "a.gz", b"the same"), put(vault, "b.gz", b"the same")
    assert first.digest == second.digest
    assert len([path for path in (vault.root / "files").rglob("*") if path.is_file()]) == 1


def test_what_is_written_is_read_again(vault: Vault) -> None:
    kept = manifest(put(vault, "logs/0/1.gz", b"a log"))
    vault.write("one", kept)
    assert vault.read("one") == kept
    assert list(vault.check(kept)) == list(kept.storage)


@pytest.mark.parametrize("damage", [b"a l0g", b"a lo", b""])
def test_a_byte_that_has_changed_is_found(vault: Vault, damage: bytes) -> None:
    kept = put(vault, "logs/0/1.gz", b"a log")
    vault.path(kept).write_bytes(damage)
    with pytest.raises(BrokenBackup, match=r"logs/0/1\.gz is not what was backed up"):
        list(vault.check(manifest(kept)))


def test_a_file_that_is_gone_is_found(vault: Vault) -> None:
    kept = put(vault, "logs/0/1.gz", b"a log")
    vault.path(kept).unlink()
    with pytest.raises(BrokenBackup, match="cannot be read"):
        list(vault.check(manifest(kept)))


def test_content_that_was_damaged_in_length_is_put_there_anew(vault: Vault) -> None:
    kept = put(vault, "a", b"content")
    vault.path(kept).write_bytes(b"")
    put(vault, "a", b"content")
    assert list(vault.check(manifest(kept)))


def test_old_backups_go_with_what_only_they_needed(vault: Vault) -> None:
    common, lone = put(vault, "common", b"common"), put(vault, "lone", b"lone")
    vault.write("2026-01-01", manifest(common, lone))
    vault.write("2026-01-02", manifest(common))
    assert vault.keep_newest(1) == ["2026-01-01"]
    assert vault.names() == ["2026-01-02"]
    assert vault.has(common)
    assert not vault.has(lone)


def test_nobody_else_can_read_a_vault(vault: Vault) -> None:
    vault.write("one", manifest(put(vault, "a", b"content")))
    modes = {path.stat().st_mode & 0o077 for path in [vault.root, *vault.root.rglob("*")]}
    assert modes == {0}


@pytest.mark.parametrize("text", ["", "{}", '{"format": 99}', "[]"])
def test_what_is_no_backup_is_refused_in_words(vault: Vault, text: str) -> None:
    (vault.root / "backups" / "one.json").write_text(text)
    with pytest.raises(NoBackup):
        vault.read("one")


def test_a_backup_of_another_format_is_told_so(vault: Vault) -> None:
    vault.write("one", manifest())
    path = vault.root / "backups" / "one.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    with pytest.raises(NoBackup, match="format 2"):
        vault.read("one")
