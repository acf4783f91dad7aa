"""A free port of this machine, for servers that are started to be asked by whoever starts them."""

import socket


def free_port() -> int:
    """Returns a port of the loopback address that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
