"""The HTTP/2 client of a connection to Amazon Bedrock: AWS's own, without its noise. Needs the extra ``nova``."""

from __future__ import annotations

import asyncio
from typing import Any, Self

from smithy_http.aio.crt import AWSCRTHTTPClient

from bidilab.bidi.tasks import take_result

__all__ = ["ConnectionClient"]


class ConnectionClient(AWSCRTHTTPClient):  # type: ignore[misc]  # the SDK is not there for Python 3.11
    """The client of one connection.

    The SDK copies its configuration for each request, and closes the copy. This client is its own copy, so the client
    that is closed is the one that was used. It also takes the result of the task that writes the request: when a
    stream is over before the request is, that task fails, and nothing in the SDK asks for it (aws-crt-python, issue
    762).
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    async def _await_response(self, stream: Any) -> Any:
        writer = getattr(stream, "_writer", None)
        if isinstance(writer, asyncio.Task):
            writer.add_done_callback(take_result)
        return await super()._await_response(stream)
