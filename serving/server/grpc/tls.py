"""TLS for gRPC: ``--ssl_config_file``."""

from typing import Any

import grpc

from serving.contract.errors import invalid_argument
from serving.server.config_messages import read_message

_FLAG = "ssl_config_file"


def server_credentials(path: str) -> Any:
    """Makes the credentials of a server from an ``SSLConfig`` in text format.

    Args:
      path: The file, with key and certificate (PEM) in it; ``client_verify`` asks clients for a certificate that
        ``custom_ca`` has signed.

    Returns:
      A ``grpc.ServerCredentials``.

    Raises:
      ServingError: the file cannot be read, or key, certificate or authority are missing.
    """
    config = read_message("SSLConfig", path, _FLAG)
    for name in ("server_key", "server_cert", *(("custom_ca",) if config.client_verify else ())):
        if "-----BEGIN" not in getattr(config, name):
            raise invalid_argument(f"--{_FLAG}: {path} has no PEM text in {name}; put the whole text there, quoted.")
    return grpc.ssl_server_credentials(
        [(config.server_key.encode(), config.server_cert.encode())],
        config.custom_ca.encode() or None,
        config.client_verify,
    )
