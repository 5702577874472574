"""Numbers of an axis as people write them: one, several, ``start:stop:step``, or with commas between."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from bidilab.core.errors import InvalidParameterError

__all__ = ["OpenValues", "Values", "parse_open_values", "parse_values"]

Values = float | str | Iterable[float]
OpenValues = float | str | None | Iterable[float | None]
"""Values of which one may be ``None``, for what never comes."""


def _range(name: str, text: str) -> tuple[float, ...]:
    allowed = "start:stop:step with start <= stop and step > 0 (both ends included), or values with commas between"
    try:
        start, stop, step = (Decimal(part) for part in text.split(":"))
    except (InvalidOperation, ValueError) as error:
        raise InvalidParameterError(name, allowed, text) from error
    if not (start.is_finite() and stop.is_finite() and step.is_finite()) or step <= 0 or start > stop:
        raise InvalidParameterError(name, allowed, text)
    if (stop - start) / step > 100_000:
        raise InvalidParameterError(name, "a range of at most 100,000 values", text)
    return tuple(float(start + k * step) for k in range(int((stop - start) / step) + 1))


def parse_values(name: str, values: Values) -> tuple[float, ...]:
    """Numbers of an axis: one number, several, ``"0.2:0.9:0.05"`` (ends included) or ``"100,300,500"``.

    Returns
    -------
    tuple of float
        In rising order.

    Raises
    ------
    InvalidParameterError
        If there is none, one twice, one that is no finite number, or a range that runs backwards.

    Examples
    --------
    >>> parse_values("threshold", "0.2:0.4:0.1")
    (0.2, 0.3, 0.4)
    >>> parse_values("prefix_padding_ms", "100,300")
    (100.0, 300.0)
    """
    if isinstance(values, str):
        parts = [part.strip() for part in values.split(",")]
        numbers: list[float] = []
        for part in parts:
            if ":" in part:
                numbers += _range(name, part)
            else:
                try:
                    numbers.append(float(part))
                except ValueError as error:
                    raise InvalidParameterError(name, "numbers, or start:stop:step", values) from error
    else:
        try:
            numbers = [float(value) for value in (values if isinstance(values, Iterable) else [values])]
        except (TypeError, ValueError) as error:
            raise InvalidParameterError(name, "numbers, or text such as 0.2:0.9:0.1", values) from error
    if not numbers:
        raise InvalidParameterError(name, "at least one value", values)
    if not all(math.isfinite(number) for number in numbers):
        raise InvalidParameterError(name, "finite numbers", values)
    if len(set(numbers)) < len(numbers):
        raise InvalidParameterError(name, "values that differ from each other", values)
    return tuple(sorted(numbers))


def parse_open_values(name: str, values: OpenValues, word: str = "never") -> tuple[float, ...]:
    """Numbers of an axis on which ``None``, infinity and a word stand for what never comes: infinity, at the end.

    Examples
    --------
    >>> parse_open_values("false_interruption_timeout_ms", "1000,2000,never")
    (1000.0, 2000.0, inf)
    >>> parse_open_values("eot_threshold", [None, 0.5], "off")
    (0.5, inf)
    """
    given: list[object] = []
    if isinstance(values, str):
        given += values.split(",")
    else:
        given += values if isinstance(values, Iterable) else [values]
    never = [value for value in given if value is None or value == math.inf or str(value).strip() == word]
    rest = [value for value in given if value not in never]
    if len(never) > 1:
        raise InvalidParameterError(name, "values that differ from each other", values)
    finite = parse_values(name, ",".join(map(str, rest))) if rest or not never else ()
    return (*finite, *(math.inf for _ in never))
