"""The key that a project is cloned with over ssh, and the keys that its code host is known by."""

import subprocess
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from pipelines.projects import deploy_keys
from pipelines.projects.code_host_keys import BadHostKeys, parse_host_keys, pin_name
from pipelines.projects.deploy_keys import BadDeployKey
from pipelines.projects.lifecycle import ensure_deploy_key
from pipelines.projects.models import Project
from tests.factories import make_project

SSH = "git@example.org:owner/shop.git"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


def test_openssh_reads_both_parts_of_a_made_key(tmp_path: Path) -> None:
    private = tmp_path / "key"
    private.write_text(deploy_keys.generate())
    private.chmod(0o600)
    told = subprocess.run(["ssh-keygen", "-y", "-f", str(private)], capture_output=True, text=True, check=True).stdout
    line = deploy_keys.public_line(private.read_text(), "shop")
    assert line.startswith("ssh-ed25519 ")
    assert line.endswith(" slipway-shop")
    assert told.split()[:2] == line.split()[:2]


@pytest.mark.parametrize("text", ["", "no key", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"])
def test_what_is_no_private_key_is_refused(text: str) -> None:
    with pytest.raises(BadDeployKey, match="leave it empty"):
        deploy_keys.public_line(text, "shop")


def test_a_project_that_is_cloned_over_ssh_gets_a_key_of_its_own() -> None:
    projects = [Project(name=name, clone_url=SSH) for name in ("shop", "blog")]
    for project in projects:
        project.clean()
    assert projects[0].deploy_key != projects[1].deploy_key
    assert projects[0].deploy_key_line.startswith("ssh-ed25519 ")
    over_https = Project(name="shop", clone_url="https://example.org/x")
    over_https.clean()
    assert (over_https.deploy_key, over_https.deploy_key_line) == ("", "")


def test_a_pasted_key_is_kept_and_a_broken_one_refused() -> None:
    pasted = deploy_keys.generate()
    project = Project(name="shop", clone_url=SSH, deploy_key=pasted.replace("\n", "\r\n"))
    project.clean()
    assert deploy_keys.public_line(pasted, "shop") == project.deploy_key_line
    with pytest.raises(ValidationError, match="deploy key cannot be read"):
        Project(name="shop", clone_url=SSH, deploy_key="nonsense").clean()


@pytest.mark.django_db
def test_of_two_that_make_a_key_at_once_the_first_is_kept_and_no_plain_text() -> None:
    project = make_project(clone_url=SSH)
    late = Project.objects.get(pk=project.pk)
    first = ensure_deploy_key(project)
    assert ensure_deploy_key(late) == first == Project.objects.get(pk=project.pk).deploy_key
    with connection.cursor() as cursor:
        cursor.execute("SELECT deploy_key FROM projects_project WHERE id = %s", [project.pk])
        assert "PRIVATE KEY" not in cursor.fetchone()[0]


def test_host_keys_are_read_as_a_known_hosts_file_has_them() -> None:
    text = f"# from the docs\n\nexample.org,other.org {HOST_KEY} comment\r\n[example.org]:2222 {HOST_KEY}\n"
    first, second = parse_host_keys(text)
    assert first.is_of("EXAMPLE.org", 22)
    assert first.is_of("other.org", 22)
    assert not first.is_of("example.org", 2222)
    assert second.is_of("example.org", 2222)
    assert first.fingerprint == "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"


def test_a_hashed_name_is_known_again(tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"{pin_name('example.org', 2222)} {HOST_KEY}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
    (key,) = parse_host_keys(known.read_text())
    assert key.names.startswith("|1|")
    assert key.is_of("example.org", 2222)
    assert not key.is_of("example.org", 22)


@pytest.mark.parametrize(
    "line",
    [
        HOST_KEY,
        "example.org ssh-ed25519",
        "example.org ssh-ed25519 AAAA",
        "example.org ssh-ed25519 not-base64",
        "example.org ssh-dss AAAAB3NzaC1kc3MAAAA=",
        f"example.org ssh-rsa {HOST_KEY.split()[1]}",
        f"@cert-authority * {HOST_KEY}",
        f"*.example.org {HOST_KEY}",
        f"|1|x|y {HOST_KEY}",
    ],
)
def test_a_line_that_is_no_host_key_is_named(line: str) -> None:
    with pytest.raises(BadHostKeys, match="Line 2"):
        parse_host_keys(f"# first\n{line}\n")
    with pytest.raises(ValidationError, match="Line 1"):
        Project(name="shop", clone_url=SSH, code_host_keys=line).clean()
