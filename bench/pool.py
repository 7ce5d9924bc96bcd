"""The yardstick of the fan-out: a bare pool of paramiko connections, one upload and one command for each host."""

import base64
import io
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import paramiko

from tests.lab.sshd import Sshd

_COMMAND = """\
mkdir -p {home}/releases/{number} && cd {home} && tar -xzf {upload} -C releases/{number} --strip-components=1 \
&& ( umask 077; echo MODE=bench > releases/{number}/.env ) && ln -s releases/{number} .next \
&& mv -fT .next current && rm {upload}"""


def bring(servers: Sequence[Sshd], data: bytes, number: int, threads: int) -> None:
    """Unpack the archive on every host and point a link at it. Raises at the first host that fails."""
    key = paramiko.Ed25519Key.from_private_key(io.StringIO(servers[0].private_key))
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda server: _bring(server, key, data, number), servers))


def _bring(server: Sshd, key: paramiko.PKey, data: bytes, number: int) -> None:
    place = server.address
    with socket.create_connection((place.host, place.port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with paramiko.Transport(sock) as transport:
            transport.connect(paramiko.Ed25519Key(data=_blob(server)), place.user, pkey=key)
            upload = f"/srv/upload-{number}"
            sftp = paramiko.SFTPClient.from_transport(transport)
            assert sftp is not None
            with sftp:
                sftp.putfo(io.BytesIO(data), upload, len(data), confirm=False)
            channel = transport.open_session()
            channel.exec_command(_COMMAND.format(home="/srv/bare", upload=upload, number=number))
            said = channel.makefile_stderr().read()
            if channel.recv_exit_status() != 0:
                raise RuntimeError(f"{place}: {said.decode()}")


def _blob(server: Sshd) -> bytes:
    return base64.b64decode(server.host_key.base64)
