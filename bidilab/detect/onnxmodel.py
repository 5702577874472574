"""Models in ONNX files: loaded to run on one thread, and checked where the file came by path.

A model is run on one thread: the work is split over processes, and more threads slow models this small down.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from bidilab.core.errors import InvalidParameterError

__all__ = ["given_model", "load_model", "read_given_file"]


def load_model(content: bytes) -> Any:
    """Load a model from the bytes of its file: an ``onnxruntime.InferenceSession`` that runs on one thread."""
    import onnxruntime  # a third of a second; not for those who only detect turns

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors: what a given file could be cleaned of is no concern of the user's
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def read_given_file(path: str | os.PathLike[str], *, parameter: str, model: str) -> bytes:
    """Read the ONNX file at a path that the user gave.

    Parameters
    ----------
    path
        The file; ``~`` is the home folder.
    parameter, model
        Name of the parameter that gave it, and of the model, for the error.

    Raises
    ------
    InvalidParameterError
        If it cannot be read.
    """
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        allowed = f"the path of an ONNX file of {model} that can be read ({error.strerror or error})"
        raise InvalidParameterError(parameter, allowed, os.fspath(path)) from error


def given_model(
    content: bytes,
    path: str | os.PathLike[str],
    *,
    parameter: str,
    model: str,
    inputs: Collection[str],
    outputs: Collection[str],
    since: str,
) -> Any:
    """Load a model from a file that the user gave, which may be any file.

    Parameters
    ----------
    content, path
        Bytes of the file, and where it is.
    parameter, model
        Name of the parameter that gave it, and of the model, for the error.
    inputs, outputs
        Names that the model's inputs and outputs must have.
    since
        Releases of the model that have them, for the error.

    Raises
    ------
    InvalidParameterError
        If onnxruntime cannot load it, or it has other inputs or outputs.
    """
    from onnxruntime.capi import onnxruntime_pybind11_state as raised

    allowed = f"the path of an ONNX file of {model}"
    try:
        session = load_model(content)
    except (
        raised.Fail,
        raised.InvalidArgument,
        raised.InvalidGraph,
        raised.InvalidProtobuf,
        raised.NotImplemented,
        raised.RuntimeException,
    ) as error:
        raise InvalidParameterError(
            parameter, f"{allowed}; onnxruntime cannot load this one ({error})", os.fspath(path)
        ) from error
    found = ({each.name for each in session.get_inputs()}, {each.name for each in session.get_outputs()})
    if found != (set(inputs), set(outputs)):
        wanted = f"with the inputs {_listed(inputs)} and the outputs {_listed(outputs)}, as {since}"
        got = f"{os.fspath(path)} (inputs {_listed(found[0])}; outputs {_listed(found[1])})"
        raise InvalidParameterError(parameter, f"{allowed}, {wanted}", got)
    return session


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names))
