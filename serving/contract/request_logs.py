"""Reading logs of requests: TFRecord files of ``PredictionLog``."""

import errno
import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from charseq_client.messages import prediction_log_pb2
from serving.contract.errors import Code, ServingError
from serving.contract.tfrecord import read_records


def find_logs(name: str | Path) -> list[Path]:
    """Returns the files of a log, the oldest first.

    Args:
      name: A file, a pattern of files, or the ``filename_prefix`` of a log.

    Raises:
      FileNotFoundError: there is none.
    """
    if os.path.isfile(name):
        return [Path(name)]
    for pattern in (str(name), f"{glob.escape(str(name))}-*.tfrecord"):
        if found := sorted(path for path in glob.glob(pattern) if os.path.isfile(path)):  # noqa: PTH207 - it may be absolute
            return [Path(path) for path in found]
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(name))


def read_logs(name: str | Path) -> Iterator[Any]:
    """Reads the ``PredictionLog`` of each record, one by one.

    Args:
      name: As for :func:`find_logs`. A last record that is not whole yet is left out.

    Raises:
      ServingError: DATA_LOSS, a file is damaged, or is none of ``PredictionLog``.
      OSError: it cannot be read.
    """
    for path in find_logs(name):
        for number, record in enumerate(read_records(path, growing=True), 1):
            try:
                yield prediction_log_pb2.PredictionLog.FromString(record)
            except DecodeError as error:
                raise ServingError(Code.DATA_LOSS, f"record {number} of {path} is no PredictionLog") from error
