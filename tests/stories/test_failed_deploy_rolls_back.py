"""A deploy that fails stops, and brings back by itself what ran before."""

from tests.lab import shops
from tests.stories.works import Works


def test_an_unhealthy_release_stops_at_the_first_host_and_the_one_before_comes_back(works: Works) -> None:
    works.scene.add_production(works.name)
    works.push_good("1.0")
    works.deploy_ends(1, "succeeded")
    first, *others = works.scene.fleet.hosts
    before = {host.name: works.link(host) for host in works.scene.fleet.hosts}
    works.push_shop(shops.unhealthy("1.1", works.python))
    assert first.name in works.deploy_ends(2, "failed").words
    back = works.deploy_ends(3, "succeeded")
    assert "Back to release 1" in back.words
    assert "Asked by itself" in back.words
    assert "Takes back deploy 2" in back.words
    assert works.served() == {"1.0"}
    assert works.link(first) != before[first.name]  # switched, and switched back
    assert [works.link(host) for host in others] == [before[host.name] for host in others]
    assert works.digests() == {works.artifact_digest(1, "package")}
    assert "quarantined" in works.scene.operator.environment(works.name, "production").words


def test_a_changed_host_key_stops_the_deploy_until_a_person_approves_it(works: Works) -> None:
    works.scene.add_production(works.name)
    works.push_good("1.0")
    works.deploy_ends(1, "succeeded")
    host = works.scene.fleet.hosts[1]
    before = {host.name: works.link(host) for host in works.scene.fleet.hosts}
    host.run(
        "sh",
        "-c",
        "rm /etc/ssh/ssh_host_ed25519_key* && ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key",
    )
    host.run("sh", "-c", "kill -HUP $(cat /run/sshd.pid)")
    works.push_good("1.1")
    page = works.deploy_ends(2, "failed")
    assert host.name in page.words
    assert "key" in page.words
    assert {host.name: works.link(host) for host in works.scene.fleet.hosts} == before
    operator = works.scene.operator
    scan = operator.scan_host_keys(works.name, "production")
    assert "changed" in scan.words
    fingerprint = host.run("ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    offered = [value for name, value in scan.form_with("Approve the chosen keys")[0].fields if name == "key"]
    assert not any(fingerprint in value for value in offered)  # a changed key is never chosen for a person
    operator.browser.press(scan, "Approve the chosen keys", {"key": f"{host.address}:22 {fingerprint}"})
    operator.browser.press(operator.environment(works.name, "production"), "Deploy")
    works.deploy_ends(3, "succeeded")
    assert works.served() == {"1.1"}


def test_a_deploy_to_no_host_is_refused(works: Works) -> None:
    operator, cloud = works.scene.operator, works.scene.cloud
    inventory = {"region": cloud.region, "tags": {"env": "nowhere"}, "endpoint_url": cloud.url}
    operator.add_environment(works.name, "nowhere", "aws", inventory, "fleet", automatic="on", inventory_secret="a:b")
    assert "lists no running host" in operator.preview_inventory(works.name, "nowhere").words
    works.push_good("1.0")
    page = works.deploy_ends(1, "failed")
    assert "lists no running host" in page.words
    assert not works.has_deploy(2)
