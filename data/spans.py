"""Patterns with spans: `day-{SPAN}/v{VERSION}/*.txt`, with the meaning that TFX's own ExampleGen gives them."""

import re

from apache_beam.io.filesystems import FileSystems

from data.errors import CorpusError

_PLACEHOLDER = re.compile(r"\{(SPAN|VERSION)(:[^}]*)?\}|\{(YYYY|MM|DD)\}")


def has_span(pattern: str) -> bool:
    """Returns whether a pattern has a placeholder: `{SPAN}`, `{SPAN:width}`, `{VERSION}`, `{YYYY}`, `{MM}`, `{DD}`."""
    return _PLACEHOLDER.search(pattern) is not None


def latest_spans(pattern: str, spans: int) -> list[str]:
    """Returns the files of the latest spans, of each span's latest version alone.

    Args:
      pattern: A glob in which `{SPAN}`, or the date `{YYYY}`, `{MM}` and `{DD}`, stands for the number of a span, and
        perhaps `{VERSION}` for that of a version; `{SPAN:3}` is one of three digits.
      spans: How many spans, the latest.

    Raises:
      CorpusError: The placeholders are not TFX's, or a file has no number where one stands.
    """
    # Here, for it takes seconds: only who has spans waits.
    from tfx.components.example_gen import utils
    from tfx.proto import example_gen_pb2

    split = example_gen_pb2.Input.Split(name="corpus", pattern=pattern)
    found: dict[int, dict[int, list[str]]] = {}
    try:
        kinds = utils.verify_split_pattern_specs(split)
        # TFX's public function knows one span alone; these are the steps that it takes.
        glob, regex = utils._create_matching_glob_and_regex("", split, *kinds, None)
        for metadata in FileSystems.match([glob])[0].metadata_list:
            matched = utils._find_matched_span_version_from_path(metadata.path, regex, *kinds)
            _, span, _, version = matched
            found.setdefault(span, {}).setdefault(version or 0, []).append(metadata.path)
    except ValueError as error:
        raise CorpusError(
            f"the spans of {pattern!r} cannot be told: {error}; a pattern is like 'texts/day-{{SPAN}}/v{{VERSION}}/*.txt', "
            "with a whole number in every file's path where a placeholder stands"
        ) from None
    latest = sorted(found)[-spans:]
    return [path for span in latest for path in found[span][max(found[span])]]
