"""The commands about served models: serve, predict, generate, models, promote, rollback."""

import dataclasses
import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from pipeline.cli_options import (
    InputError,
    asking,
    json_option,
    model_option,
    request_options,
    rollout_server_option,
    serving_dir_option,
)
from pipeline.places import DEFAULT_TASK, DEFAULT_TEXT_TASK, Places

if TYPE_CHECKING:
    from serving.rollout import Rollout


# What the model's inputs can hold.
_INT32 = click.IntRange(-(2**31), 2**31 - 1)
_INT64 = click.IntRange(-(2**63), 2**63 - 1)


@click.command()
@serving_dir_option
@click.option("--port", default=8500, show_default=True, help="Port for gRPC; 0 picks a free one.")
@click.option("--rest-port", default=8501, show_default=True, help="Port for REST; 0 for none.")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1, this machine alone]")
@click.option("--page", is_flag=True, help="Also a page to try the models on, at / of the REST port.")
def serve(serving_dir: str, port: int, rest_port: int, host: str | None, page: bool) -> None:
    """Serves every pushed model, and every one that is pushed later, until it is stopped (Ctrl-C).

    By tensorflow_model_server if it is on PATH, else by the built-in server with the same API.

    \b
    Example:
      charseq serve --page
    """
    from serving.launch import server_command

    verbose = click.get_current_context().find_root().params["verbose"]
    folder = _find_folder(serving_dir)
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
@click.option("--grpc", metavar="HOST:PORT", help="Its gRPC, for grpcurl.  [default: port 8500 there]")
@click.option(
    "--model",
    "models",
    multiple=True,
    default=(DEFAULT_TASK, DEFAULT_TEXT_TASK),
    show_default=True,
    help="A model to offer; may be given again. REST has no list of them.",
)
@click.option("--port", default=8502, show_default=True, help="Port for the page.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
def page(server: str, grpc: str | None, models: tuple[str, ...], port: int, host: str) -> None:
    """Serves the page to try models on, beside a server that serves no pages, such as TensorFlow Serving.

    \b
    Example:
      charseq page --server http://127.0.0.1:8501 --model sums
    """
    from serving.errors import ServingError
    from serving.page.forwarder import Forwarder

    try:
        forwarder = Forwarder(server, models, grpc=grpc)
        forwarder.run(host, port, lambda address: click.echo(f"The page is at {address}, of the models at {server}"))
    except ServingError as error:
        raise InputError(error.message) from None


@click.command()
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@request_options(DEFAULT_TASK)
@json_option
def predict(
    texts: tuple[str, ...],
    server: str,
    model: str,
    version: int | None,
    label: str | None,
    timeout: float,
    as_json: bool,
) -> None:
    """Asks a served model; one answer a line.

    \b
    Example:
      charseq predict 12+34 7+8
    """
    from serving.client import Client

    with asking(server, version, label), Client(server, timeout=timeout) as client:
        prediction = client.predict({"text": texts}, model=model, version=version, label=label)
    answers = prediction.strings("text")
    if as_json:
        rows = [
            {"input": text, "output": answer, "log_prob": float(log_prob)}
            for text, answer, log_prob in zip(texts, answers, prediction.outputs["log_prob"], strict=True)
        ]
        click.echo(json.dumps({"predictions": rows, "model": prediction.model, "version": prediction.version}))
    else:
        for answer in answers:
            click.echo(answer)


@click.command()
@click.option("--prompt", default="", help="What to continue.  [default: nothing: a text begins]")
@click.option("--length", default=200, type=_INT32, show_default=True, help="Characters to write.")
@click.option("--temperature", default=0.7, show_default=True, help="How daring: 0 takes the likeliest character.")
@click.option(
    "--top-k", default=0, type=_INT32, show_default=True, help="Draw from the K likeliest characters; 0 is all."
)
@click.option("--top-p", default=1.0, show_default=True, help="Draw from those that together have this probability.")
@click.option("--seed", type=_INT64, help="The same seed gives the same text.  [default: another each time]")
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
    """Has a served language model write.

    \b
    Example:
      charseq generate --prompt "It was a " --length 500 --stream
    """
    from serving.client import Client
    from serving.text import Sampling
    from serving.text import generate as generate_text
    from serving.text import stream as stream_text

    seed = secrets.randbits(32) if seed is None else seed
    written, answered_by = "", 0
    sampling = Sampling(length, temperature, top_k, top_p, seed)
    with asking(server, version, label), Client(server, timeout=timeout) as client:
        if streamed:
            for chunk in stream_text(client, prompt, sampling, model=model, version=version, label=label):
                if not as_json:
                    click.echo((prompt if not written else "") + chunk.text, nl=False)
                    sys.stdout.flush()
                written, answered_by = written + chunk.text, chunk.version
        else:
            answer = generate_text(client, [prompt], sampling, model=model, version=version, label=label)
            written, answered_by = answer.strings("text")[0], answer.version
    if as_json:
        click.echo(
            json.dumps({"prompt": prompt, "text": written, "seed": seed, "model": model, "version": answered_by})
        )
    else:
        click.echo("" if streamed else prompt + written)


@click.command()
@serving_dir_option
@rollout_server_option
@json_option
def models(serving_dir: str, server: str | None, as_json: bool) -> None:
    """Lists pushed models: versions, their states on a running server, and labels.

    \b
    Example:
      charseq models --server 127.0.0.1:8500
    """
    from serving.rollout import list_models
    from serving.rollout_server import RolloutError

    try:
        found = list_models(_find_folder(serving_dir), server=server)
    except RolloutError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps({"models": [dataclasses.asdict(model) for model in found]}))
        return
    for model in found:
        click.echo(f"{model.name}  stable: {model.stable}{'' if model.pinned else ' (follows the newest)'}")
        for version in model.versions:
            notes = [version.state, *version.labels, version.error, "" if version.on_disk else "not in the folder"]
            click.echo("  ".join(["", str(version.version), *filter(None, notes)]))


@click.command()
@click.argument("version", type=int)
@model_option
@serving_dir_option
@rollout_server_option
@json_option
def promote(version: int, model: str, serving_dir: str, server: str | None, as_json: bool) -> None:
    """Makes a version the stable one: what an unversioned request gets, and what the next run is compared with.

    \b
    Example:
      charseq promote 1795302792 --server 127.0.0.1:8500
    """
    from serving.rollout import promote as promote_version

    _roll(lambda: promote_version(_find_folder(serving_dir), model, version, server=server), as_json)


@click.command()
@click.argument("version", type=int)
@click.option("--server", required=True, metavar="HOST:PORT", help="A running server of the folder.")
@click.option("--recorded", metavar="FILE", help="Recorded requests.  [default: the version's warm-up requests]")
@click.option("--max-slowdown", default=3.0, show_default=True, help="Most times the stable version's median latency.")
@click.option("--min-agreement", default=0.0, show_default=True, help="Least share of answers that are the same.")
@model_option
@serving_dir_option
@json_option
def canary(
    version: int,
    server: str,
    recorded: str | None,
    max_slowdown: float,
    min_agreement: float,
    model: str,
    serving_dir: str,
    as_json: bool,
) -> None:
    """Tries a version beside the stable one with recorded requests, then promotes it or leaves it.

    Ends with status 1 if it is refused. `charseq run --set rollout.server=HOST:PORT` does it with every push.

    \b
    Example:
      charseq canary 1795302792 --server 127.0.0.1:8500
    """
    from serving.canary import CanaryLimits, roll_out
    from serving.rollout_server import RolloutError

    limits = CanaryLimits(max_slowdown=max_slowdown, min_agreement=min_agreement)
    try:
        result = roll_out(_find_folder(serving_dir), model, version, server, recorded=recorded, limits=limits)
    except RolloutError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(result)))
    else:
        compared = [] if result.slowdown is None else [f"{result.slowdown:.2f} times the stable version's latency"]
        compared += [] if result.agreement is None else [f"{result.agreement:.1%} of its answers"]
        click.echo(", ".join([f"tried with {result.requests} recorded requests", *compared]))
        for reason in result.reasons:
            click.echo(f"  {reason}")
        click.echo(f"{model} {version} is {'stable' if result.promoted else f'refused; stable is {result.stable}'}")
    if not result.promoted:
        sys.exit(1)


@click.command()
@model_option
@serving_dir_option
@rollout_server_option
@json_option
def rollback(model: str, serving_dir: str, server: str | None, as_json: bool) -> None:
    """Goes back to the version that was stable before; it stays so until one is promoted.

    \b
    Example:
      charseq rollback --server 127.0.0.1:8500
    """
    from serving.rollout import rollback as roll_back

    _roll(lambda: roll_back(_find_folder(serving_dir), model, server=server), as_json)


def _roll(change: "Callable[[], Rollout]", as_json: bool) -> None:
    from serving.rollout_server import RolloutError

    try:
        done = change()
    except RolloutError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(done)))
    else:
        when = "now" if done.live else "for the next server that starts"
        click.echo(f"{done.model}: stable is {done.version} {when}; before it was {done.previous}")


def _find_folder(serving_dir: str) -> str:
    """Returns the serving folder as an absolute path.

    Raises:
      InputError: There is none.
    """
    folder = Places(serving_dir=serving_dir).serving_dir
    if not os.path.isdir(folder):
        raise InputError(f"there is no folder {folder}; push a model first (charseq run), or name --serving-dir")
    return folder


COMMANDS = (serve, page, predict, generate, models, canary, promote, rollback)
