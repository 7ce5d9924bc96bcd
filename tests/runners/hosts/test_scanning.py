"""What people see of hosts before they deploy, and whole deploys through a bastion."""

import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.deploys.models import Credential, Environment
from pipelines.deploys.models import HostKey as PinnedKey
from pipelines.states.status import Status
from runners.clouds.inventory import FoundHost
from runners.hosts.scanning import scan, try_out
from runners.hosts.signin import NoCredential
from runners.hosts.ssh.connection import HostKey, HostUnreachable
from tests.lab.ssh_agent import ssh_agent
from tests.lab.sshd import Sshd, free_port
from tests.runners.hosts.sites import HOLD, bring, let_go, make_environment, make_release, on, pin, text_of

pytestmark = pytest.mark.django_db(transaction=True)

Start = Callable[..., Sshd]


def listed(hosts: list[Sshd]) -> list[FoundHost]:
    return [FoundHost(f"web-{number}", server.address.host) for number, server in enumerate(hosts, 1)]


def behind(gate: Sshd, hosts: list[Sshd], **fields: Any) -> Environment:
    """The hosts' keys are approved, the bastion's is not."""
    place = {"bastion_address": gate.address.host, "bastion_port": gate.address.port, "bastion_user": "root"}
    return make_environment(hosts, **place, **fields)


def standings(answer: dict[str, Any]) -> list[str]:
    return [key["known"] for key in answer["keys"]]


def test_keys_are_the_same_new_or_changed(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    environment.host_keys.filter(address=hosts[1].address.host).delete()
    hosts[2].change_host_key()
    assert standings(scan(environment, listed(hosts))) == ["same", "new", "changed"]


def test_a_host_with_several_keys_is_the_same_by_any_approved_one(own_sshd: Start, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(tmp_path / "second")], check=True)
    server = own_sshd(f"HostKey {tmp_path}/second")
    environment = make_environment([server])
    environment.host_keys.all().delete()
    pin(environment, server, HostKey.parse((tmp_path / "second.pub").read_text()))
    assert standings(scan(environment, listed([server]))) == ["same"]


def test_nothing_goes_through_a_bastion_before_its_key_is_approved(own_sshd: Start, hosts: list[Sshd]) -> None:
    gate = own_sshd()
    answer = scan(behind(gate, hosts), listed(hosts))
    assert [(key["is_bastion"], key["known"]) for key in answer["keys"]] == [(True, "new")]
    assert "Approve it, then scan again" in answer["behind_bastion"]
    assert "Accepted publickey" not in gate.log()


def test_hosts_are_scanned_through_the_bastion_once_its_key_is_approved(own_sshd: Start, hosts: list[Sshd]) -> None:
    gate = own_sshd()
    environment = behind(gate, hosts)
    pin(environment, gate, gate.host_key)
    hosts[0].change_host_key()
    answer = scan(environment, listed(hosts))
    assert [(key["is_bastion"], key["known"]) for key in answer["keys"]] == [
        (True, "same"),
        (False, "changed"),
        (False, "same"),
        (False, "same"),
    ]
    assert gate.log().count("Accepted publickey") == 1


def test_a_dead_bastion_is_said_once_and_not_for_every_host(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts, bastion_address="127.0.0.1", bastion_port=free_port("127.0.0.1"))
    with pytest.raises(HostUnreachable, match=r"^the bastion"):
        scan(environment, listed(hosts))


def test_a_trial_says_of_each_host_how_far_it_came(own_sshd: Start, hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    environment.host_keys.filter(address=hosts[1].address.host).delete()
    hosts[2].change_host_key()
    gone = FoundHost("gone", "127.0.0.1", port=free_port("127.0.0.1"))
    answer = try_out(environment, [*listed(hosts), gone])
    assert [(host["came"], host["key"], host["sudo"]) for host in answer["hosts"]] == [
        ("ran", "same", "root"),
        ("reached", "new", ""),
        ("reached", "changed", ""),
        ("", "", ""),
    ]
    assert "CHANGED" in answer["hosts"][2]["why"]


def test_a_trial_tells_a_refused_key_from_an_unreachable_host(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts)
    (hosts[0].directory / "authorized_keys").write_text("")
    came = [host["came"] for host in try_out(environment, listed(hosts))["hosts"]]
    assert came == ["known", "ran", "ran"]


def test_a_trial_without_a_credential_says_what_to_choose(hosts: list[Sshd]) -> None:
    environment = make_environment(hosts, credential=None)
    with pytest.raises(NoCredential, match="choose one"):
        try_out(environment, listed(hosts))


def test_looking_pins_nothing(own_sshd: Start, hosts: list[Sshd]) -> None:
    gate = own_sshd()
    environment = behind(gate, hosts, host_key_policy="first_use")
    environment.host_keys.all().delete()
    assert [host["came"] for host in try_out(environment, listed(hosts))["hosts"]] == ["ran"] * 3
    scan(environment, listed(hosts))
    assert not PinnedKey.objects.exists()


def test_a_deploy_goes_through_the_bastion_with_the_keys_of_an_agent(
    own_sshd: Start, hosts: list[Sshd], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = own_sshd()
    credential = Credential.objects.create(name="agent", kind="agent")
    environment = behind(gate, hosts, credential=credential)
    pin(environment, gate, gate.host_key)
    with ssh_agent(tmp_path) as agent:
        agent.add(hosts[0].private_key)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent.socket))
        deploy = bring(environment, make_release(environment))
    assert (deploy.status, deploy.reason) == (Status.SUCCEEDED, "")
    assert gate.log().count("Accepted publickey") == 1


def test_a_deploy_does_not_pass_a_bastion_whose_key_has_changed(own_sshd: Start, hosts: list[Sshd]) -> None:
    gate = own_sshd()
    environment = behind(gate, hosts)
    pin(environment, gate, gate.host_key)
    gate.change_host_key()
    deploy = bring(environment, make_release(environment))
    assert deploy.status == Status.FAILED
    assert "the bastion" in deploy.reason
    assert "CHANGED" in deploy.reason


def test_the_first_keys_of_a_bastion_and_of_the_hosts_behind_it_are_pinned(own_sshd: Start, hosts: list[Sshd]) -> None:
    gate = own_sshd()
    environment = behind(gate, hosts, host_key_policy="first_use")
    environment.host_keys.all().delete()
    deploy = bring(environment, make_release(environment))
    assert deploy.status == Status.SUCCEEDED, text_of(deploy)
    pinned = {(key.address, key.port) for key in PinnedKey.objects.all()}
    assert pinned == {(server.address.host, server.address.port) for server in (gate, *hosts)}


def test_a_bastion_that_breaks_in_mid_deploy_is_entered_again_and_said(own_sshd: Start, hosts: list[Sshd]) -> None:
    gate = own_sshd()
    environment = behind(gate, hosts, on_breach="stop")
    pin(environment, gate, gate.host_key)
    release = make_release(environment, activate=f"echo $SLIPWAY_RELEASE >> ../../activations; {HOLD}")

    def cut() -> None:
        while not on(hosts[0], "activations"):
            time.sleep(0.05)
        gate.drop_connections()
        let_go(hosts)

    cutter = threading.Thread(target=cut, daemon=True)
    cutter.start()
    deploy = bring(environment, release)
    cutter.join()
    assert (deploy.status, deploy.reason) == (Status.SUCCEEDED, "")
    assert f"the connection to the bastion root@{gate.address.host}:{gate.address.port} broke" in text_of(deploy)
    assert [on(server, "activations") for server in hosts] == [f"{release.number}\n"] * 3
