"""Moto's EC2 API as a process of its own: prints its port, ends when its standard input does."""

import os
import sys
import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server


def end_with_parent() -> None:
    """Wait for the end of standard input, which comes however the parent goes."""
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Serve on the address that is given, on a port of the system's choice."""
    server = make_server(sys.argv[1], 0, DomainDispatcherApplication(create_backend_app), threaded=True)
    threading.Thread(target=end_with_parent, daemon=True).start()
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
