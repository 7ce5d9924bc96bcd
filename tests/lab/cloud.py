"""An EC2 API that lists the lab's hosts: moto's server, filled with one instance for each."""

import contextlib
import ipaddress
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3

if TYPE_CHECKING:
    from mypy_boto3_ec2.client import EC2Client
    from mypy_boto3_ec2.type_defs import TagSpecificationTypeDef

REGION = "eu-west-1"
ACCESS_KEY = "AKIALAB"
SECRET_KEY = "lab-secret"
_AMI = "ami-12c6146b"


@dataclass(frozen=True, slots=True)
class Cloud:
    """The API at `url`, and the subnet that instances are started in."""

    url: str
    region: str
    subnet_id: str
    client: "EC2Client"

    def start(self, address: str, tags: Mapping[str, str]) -> str:
        """Start one instance with this private address; gives its id. Each is a page entry of its own."""
        marks: TagSpecificationTypeDef = {
            "ResourceType": "instance",
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        }
        started = self.client.run_instances(
            ImageId=_AMI, MinCount=1, MaxCount=1, SubnetId=self.subnet_id, PrivateIpAddress=address,
            TagSpecifications=[marks],
        )  # fmt: skip
        return started["Instances"][0]["InstanceId"]

    def stop(self, instance_id: str) -> None:
        """Stop an instance: the API lists it still, but not as running."""
        self.client.stop_instances(InstanceIds=[instance_id])


@contextlib.contextmanager
def cloud(subnet: str, address: str = "127.0.0.1") -> Iterator[Cloud]:
    """Run the API on `address`, its one subnet being `subnet` (CIDR); gone at the end, or with this process."""
    environment = {**os.environ, "MOTO_EC2_LOAD_DEFAULT_AMIS": "true", "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.lab.moto_server", address],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        yield _furnish(f"http://{address}:{_read_port(process)}", subnet)
    finally:
        process.kill()
        process.communicate()


def _read_port(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"moto's server ended with {process.wait()} before it listened")
    return int(line)


def _furnish(url: str, subnet: str) -> Cloud:
    client = boto3.client(
        "ec2", endpoint_url=url, region_name=REGION,
        aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY,
    )  # fmt: skip
    vpc = client.create_vpc(CidrBlock=_at_most_a_vpc(subnet))["Vpc"]["VpcId"]
    made = client.create_subnet(VpcId=vpc, CidrBlock=subnet)["Subnet"]["SubnetId"]
    return Cloud(url, REGION, made, client)


def _at_most_a_vpc(subnet: str) -> str:
    """EC2 takes no VPC larger than /16, and Docker's networks are that or smaller."""
    network = ipaddress.ip_network(subnet)
    return str(network if network.prefixlen >= 16 else next(network.subnets(new_prefix=16)))
