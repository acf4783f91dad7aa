"""The connection to Kubeflow Pipelines' API server: the KFP client, which says in a line what went wrong.

What the KFP client does not document is used in this module alone. The tests of `charseq kubeflow submit` use all of it.
"""

import contextlib
import json
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import kfp
import urllib3
from kfp.client import set_volume_credentials
from kfp_server_api import ApiException

from components.settings import SettingsError

_TIMEOUT_SECONDS = 60.0


class KubeflowError(RuntimeError):
    """The API server cannot be reached, or refuses a request."""

    kind = "kubeflow"
    meaning = "The API server of Kubeflow Pipelines cannot be reached, or refuses a request."
    remedy = "Check --host, --namespace and the token; docs/cluster.md has the connections."


@dataclass(frozen=True)
class Connection:
    """How to reach the API server. What is empty is taken from where the KFP client takes it.

    Attributes:
      host: URL of the API server or of Kubeflow's pages; else KF_PIPELINES_ENDPOINT, else the server of the cluster that this
        process or its kubeconfig is in.
      namespace: Namespace of a multi-user installation; else that of ~/.config/kfp/context.json.
      token_file: File with a bearer token, read again for every request because such tokens are replaced while a run goes on.
      cookie_file: File with the cookies of a session, for installations behind a page to log in.
      ca_file: Certificates (PEM) of the authority that signed the server's.
      kube_context: Context of the kubeconfig.
      headers: Sent with every request, each `name=value`, such as the user's name where no gateway adds it.
    """

    host: str = ""
    namespace: str = ""
    token_file: str = ""
    cookie_file: str = ""
    ca_file: str = ""
    kube_context: str = ""
    headers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for header in self.headers:
            if not re.fullmatch(r"[A-Za-z0-9-]+=[^\r\n]+", header):
                raise SettingsError(f"--header {header!r} is not NAME=VALUE, such as kubeflow-userid=user@example.com")


class _Client(kfp.Client):  # type: ignore[misc]
    def get_kfp_healthz(self, sleep_duration: int = 5) -> Any:
        # The client's own asks five times in 20 s, also where the answer is that the token is wrong.
        return self._healthz_api.healthz_service_get_healthz()


def connect(connection: Connection) -> kfp.Client:
    """Returns a client.

    Raises:
      SettingsError: A file cannot be read, or the host is no URL.
      KubeflowError: The server does not answer, or refuses the credentials.
    """
    if connection.host and not connection.host.startswith(("http://", "https://")):
        raise SettingsError(f"--host {connection.host!r} is not a URL; it starts with http:// or https://")
    credentials = None
    if connection.token_file:
        _read(connection.token_file)
        credentials = set_volume_credentials.ServiceAccountTokenVolumeCredentials(connection.token_file)
    options = {
        "host": connection.host or None,
        "credentials": credentials,
        "cookies": _read(connection.cookie_file) if connection.cookie_file else None,
        "ssl_ca_cert": connection.ca_file or None,
        "kube_context": connection.kube_context or None,
    }
    if connection.namespace:
        options["namespace"] = connection.namespace
    with errors_in_words(connection.host):
        client = quietly(_Client, **options)
    for header in connection.headers:
        name, _, value = header.partition("=")
        client._run_api.api_client.set_default_header(name, value)  # all of the client's APIs share it
    return client


def host_of(client: kfp.Client) -> str:
    """Returns the address that a client speaks to."""
    return str(client._existing_config.host)


def pages_of(client: kfp.Client) -> str:
    """Returns the address of the pages of Kubeflow's that belong to a client's server."""
    return str(client._get_url_prefix())


def quietly(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls the KFP client, which prints notes, away from standard output: that is the command's own."""
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return call(*args, **kwargs)


def get(client: kfp.Client, path: str, query: Mapping[str, str] | None = None) -> Any:
    """Asks for something that the KFP client has no function for, with its address and credentials.

    Args:
      client: The connection.
      path: Path at the server.
      query: Parameters.

    Returns:
      The answer of urllib3, whose content has not been read.

    Raises:
      ApiException: The server refuses it.
      urllib3.exceptions.HTTPError: It cannot be reached.
    """
    return client._run_api.api_client.call_api(
        path,
        "GET",
        query_params=list((query or {}).items()),
        header_params={"Accept": "*/*"},
        auth_settings=["Bearer"],
        _preload_content=False,
        _return_http_data_only=True,
        _request_timeout=_TIMEOUT_SECONDS,
    )


@contextlib.contextmanager
def errors_in_words(host: str) -> Iterator[None]:
    """Turns the client's errors into KubeflowError."""
    try:
        yield
    except ApiException as error:
        raise KubeflowError(f"{host or 'Kubeflow'} answers {error.status} {_message(error)}{_remedy(error)}") from None
    except urllib3.exceptions.HTTPError as error:
        reason = getattr(error, "reason", None) or error
        raise KubeflowError(
            f"{host or 'Kubeflow'} cannot be reached: {reason}; give its URL with --host (on a cluster: kubectl "
            "port-forward -n kubeflow svc/ml-pipeline-ui 8080:80, then --host http://localhost:8080)"
        ) from None


def _message(error: ApiException) -> str:
    with contextlib.suppress(TypeError, ValueError, AttributeError):
        body = json.loads(error.body)
        return str(body.get("error_message") or body.get("message") or body.get("error"))
    return str(error.reason)


def _remedy(error: ApiException) -> str:
    if error.status in (401, 403):
        return "; give credentials with --token-file or --cookie-file, and in a multi-user installation --namespace"
    return ""


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
