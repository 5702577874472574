"""``response.usage`` as `BidiUsageEvent`: tokens by modality."""

from __future__ import annotations

from bidilab.bidi.providers.openai.fields import count_field, object_field
from bidilab.bidi.types.events import BidiUsageEvent, ModalityUsage

__all__ = ["response_usage"]

_MODALITIES = ("text", "audio", "image")


def response_usage(usage: object) -> BidiUsageEvent | None:
    """The event; ``None`` when the server gave no usage, as for a response cancelled at once.

    Raises
    ------
    EventError
        If a count is no whole number.
    """
    if usage is None:
        return None
    counts = object_field({"type": "response.done", "usage": usage}, "usage")
    n_in, n_out = count_field(counts, "input_tokens", 0), count_field(counts, "output_tokens", 0)
    spent = object_field(counts, "input_token_details") if counts.get("input_token_details") else {}
    made = object_field(counts, "output_token_details") if counts.get("output_token_details") else {}
    details: list[ModalityUsage] = []
    for modality in _MODALITIES:
        key = f"{modality}_tokens"
        if spent.get(key) is not None or made.get(key) is not None:
            n_of_in, n_of_out = count_field(spent, key, 0), count_field(made, key, 0)
            details.append(ModalityUsage(modality=modality, input_tokens=n_of_in, output_tokens=n_of_out))  # type: ignore[typeddict-item]
    return BidiUsageEvent(
        n_in,
        n_out,
        count_field(counts, "total_tokens", n_in + n_out),
        details or None,
        None if spent.get("cached_tokens") is None else count_field(spent, "cached_tokens"),
    )
