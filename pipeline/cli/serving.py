"""The commands that serve models, and the one that has them write: serve, page, generate."""

import os
import secrets
import shutil

import click

from pipeline.cli.options import (
    InputError,
    asking,
    find_serving_folder,
    json_option,
    print_json,
    request_options,
    sampling_options,
    serving_dir_option,
)
from pipeline.places import DEFAULT_TASK, DEFAULT_TEXT_TASK


@click.command()
@serving_dir_option
@click.option("--port", default=8500, show_default=True, help="Port for gRPC; 0 picks a free one.")
@click.option("--rest-port", default=8501, show_default=True, help="Port for REST; 0 turns REST off.")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1, this machine only]")
@click.option("--page", is_flag=True, help="Also serve a page for trying the models, at / of the REST port.")
def serve(serving_dir: str, port: int, rest_port: int, host: str | None, page: bool) -> None:
    """Serves every pushed model, and every model that is pushed later, until you press Ctrl-C.

    It starts tensorflow_model_server if that is on PATH, and otherwise the built-in server, which has the same API.

    \b
    Example:
      charseq serve --page
    """
    from serving.launch import server_command

    verbose = click.get_current_context().find_root().params["verbose"]
    folder = find_serving_folder(serving_dir)
    if page and not rest_port:
        raise InputError("--page needs a --rest-port: that is where the page is")
    try:
        command = server_command(
            folder, port=port, rest_port=rest_port or None, bind_address=host, page=page, verbose=verbose
        )
    except ValueError as error:
        raise InputError(str(error)) from None
    os.execv(shutil.which(command[0]) or command[0], command)  # noqa: S606 (replaces this process: signals go straight to it)


@click.command()
@click.option(
    "--server", default="http://127.0.0.1:8501", show_default=True, metavar="URL", help="The server's REST API."
)
@click.option("--grpc", metavar="HOST:PORT", help="Its gRPC address, for grpcurl.  [default: port 8500 of that host]")
@click.option(
    "--model",
    "models",
    multiple=True,
    default=(DEFAULT_TASK, DEFAULT_TEXT_TASK),
    show_default=True,
    help="A model to offer; repeat it for more. REST has no list of models.",
)
@click.option("--port", default=8502, show_default=True, help="Port for the page.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
def page(server: str, grpc: str | None, models: tuple[str, ...], port: int, host: str) -> None:
    """Serves a page for trying the models of a server that has no page, such as TensorFlow Serving.

    \b
    Example:
      charseq page --server http://127.0.0.1:8501 --model sums
    """
    from serving.contract.errors import ServingError
    from serving.page.forwarder import Forwarder

    try:
        forwarder = Forwarder(server, models, grpc=grpc)
        forwarder.run(host, port, lambda address: click.echo(f"The page is at {address}, of the models at {server}"))
    except ServingError as error:
        raise InputError(error.message) from None


@click.command()
@click.option("--prompt", default="", help="What to continue.  [default: the beginning of a text]")
@sampling_options
@click.option("--stream", "streamed", is_flag=True, help="Print the text as it is written.")
@request_options(DEFAULT_TEXT_TASK)
@json_option
def generate(
    prompt: str,
    length: int,
    temperature: float,
    top_k: int,
    top_p: float,
    seed: int | None,
    streamed: bool,
    server: str,
    model: str,
    version: int | None,
    label: str | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Lets a served language model write.

    \b
    Example:
      charseq generate --prompt "It was a " --length 500 --stream
    """
    from charseq_client import Client
    from charseq_client.text import Sampling
    from charseq_client.text import generate as generate_text
    from charseq_client.text import stream as stream_text

    seed = secrets.randbits(32) if seed is None else seed
    written, answered_by = "", 0
    sampling = Sampling(length, temperature, top_k, top_p, seed)
    with asking(server, version, label), Client(server, timeout=timeout) as client:
        if streamed:
            for chunk in stream_text(client, prompt, sampling, model=model, version=version, label=label):
                if not as_json:
                    click.echo((prompt if not answered_by else "") + chunk.text, nl=False)
                written, answered_by = written + chunk.text, chunk.version
        else:
            answer = generate_text(client, [prompt], sampling, model=model, version=version, label=label)
            written, answered_by = answer.strings("text")[0], answer.version
    if as_json:
        print_json({"prompt": prompt, "text": written, "seed": seed, "model": model, "version": answered_by})
    else:
        click.echo("" if streamed else prompt + written)


COMMANDS = (serve, page, generate)
