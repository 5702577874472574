"""What goes wrong with Nova Sonic, each as its right event and a clean end or restart; never a hang.

Names: Amazon Bedrock API reference, ``InvokeModelWithBidirectionalStream``, errors and output stream (2026-11).
"""

import json

import pytest

pytest.importorskip("aws_sdk_bedrock_runtime", reason="needs the extra nova, and Python 3.12 or newer")

from bidilab.bidi.types.events import (
    BidiAudioStreamEvent,
    BidiConnectionCloseEvent,
    BidiConnectionRestartEvent,
    BidiConnectionStartEvent,
    BidiErrorEvent,
    BidiInterruptionEvent,
    BidiResponseCompleteEvent,
)
from bidilab.core.clock import run_virtual, running_clock
from bidilab.core.errors import CredentialsError, ProviderConnectionError, ProviderError
from bidilab.detect.turns.simulation import ResponsePlan
from tests.nova.sessions import SECRET, TOKEN, TURN, BotoSession, Client, model, running
from tests.nova.standin.connection import Backend, Faults
from tests.nova.standin.framing import error, exception, frame
from tests.nova.standin.service import Script
from tests.nova.standin.transport import InProcessClient

TIMED_OUT = "Model has timed out in processing the request"
RESET = "InternalErrorCode=531::RST_STREAM closed stream. HTTP/2 error code: NO_ERROR"


def backend(**faults):
    return Backend(Script(vad="energy", plan=ResponsePlan(response_ms=4000), pace=1.0), Faults(**faults))


def refused(made, **client_config):
    """The error of a start that must fail, within virtual seconds."""

    async def main():
        client = Client(model(made, **client_config))
        with pytest.raises(ProviderError) as raised:
            await client.start()
        await client.model.stop()
        return raised.value, running_clock().now_s()

    return run_virtual(main())


# At the start


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (403, "AccessDeniedException", CredentialsError),
        (403, "UnrecognizedClientException", CredentialsError),
        (403, "InvalidSignatureException", CredentialsError),
        (403, "ExpiredTokenException", CredentialsError),
        (400, "ValidationException", ProviderError),
        (404, "ResourceNotFoundException", ProviderError),
        (429, "ThrottlingException", ProviderConnectionError),
        (500, "InternalServerException", ProviderConnectionError),
        (503, "ServiceUnavailableException", ProviderConnectionError),
        (424, "ModelErrorException", ProviderConnectionError),
        (429, "ModelNotReadyException", ProviderConnectionError),
        (408, "ModelTimeoutException", ProviderConnectionError),
        (502, "", ProviderConnectionError),
    ],
)
def test_a_start_that_is_refused_says_why(status, name, kind):
    why, _ = refused(backend(refuse={0: (status, name, "because of this")}))
    assert type(why) is kind
    assert name in str(why)
    assert SECRET not in str(why)
    assert TOKEN not in str(why)


def test_a_long_history_does_not_hang_on_a_refusal():
    """Its events are more than the SDK's queue holds, which nobody empties any more."""
    made = backend(refuse={0: (403, "AccessDeniedException", "no")})

    async def main():
        client = Client(model(made))
        history = [{"role": r, "content": [{"text": "word " * 2000}]} for r in ("user", "assistant")]
        with pytest.raises(CredentialsError):
            await client.start(messages=history)
        return running_clock().now_s()

    assert run_virtual(main()) < 5


def test_a_key_that_is_unknown_to_the_service():
    why, _ = refused(backend(), boto_session=BotoSession(access_key="AKIAUNKNOWN"))
    assert type(why) is CredentialsError
    assert "AKIAUNKNOWN" not in str(why)


def test_no_credentials_at_all():
    class Nobody(BotoSession):
        def get_credentials(self):
            return None

    why, _ = refused(backend(), boto_session=Nobody())
    assert "AWS_ACCESS_KEY_ID" in str(why)


class Silent(InProcessClient):
    """A service that takes a request, and answers after so many seconds."""

    def __init__(self, backend, after_s):
        super().__init__(backend)
        self.after_s = after_s

    async def send(self, request, *, request_config=None):
        await running_clock().sleep_s(self.after_s)
        return await super().send(request, request_config=request_config)


def test_a_service_that_does_not_answer_ends_the_session():
    made = backend()

    async def main():
        silent = {"http_client": lambda: Silent(made, 3600), "timeout_s": 5, "reconnect_attempts": 2}
        async with running(model(made, **silent)) as client:
            await client.over()
        return client, running_clock().now_s()

    client, took_s = run_virtual(main())
    assert type(client.failure) is ProviderConnectionError
    assert took_s < 60  # three times 5 s, what lies between, and the closing of what does not close


def test_a_service_that_answers_late_is_waited_for():
    made = backend()

    async def main():
        async with running(model(made, http_client=lambda: Silent(made, 6))) as client:
            await client.speak((4.0, 0), *TURN, (6.0, 0))
        return client

    client = run_virtual(main())
    assert [e.stop_reason for e in client.of(BidiResponseCompleteEvent)] == ["complete"]
    assert not client.of(BidiConnectionRestartEvent)


# In mid-session


def session(made, **config):
    """One turn, and a fault while the response to it is generated; then another turn."""

    async def main():
        async with running(model(made, **config)) as client:
            await client.speak(*TURN, (2.5, 0))
            if client.failure is None:
                await client.speak(*TURN, (6.0, 0))
        return client

    return run_virtual(main())


def is_cut_with_an_error(client):
    (cut,) = client.of(BidiInterruptionEvent)
    assert cut.reason == "error"
    assert cut.interrupted_response_id == "response_1"
    assert client.of(BidiResponseCompleteEvent)[0] == BidiResponseCompleteEvent("response_1", "error")


RESTARTED = {
    "throttled": (exception("throttlingException", "slow down"), "ThrottlingException"),
    "internal": (exception("internalServerException", "oops"), "InternalServerException"),
    "unavailable": (exception("serviceUnavailableException", "later"), "ServiceUnavailableException"),
    "stream error": (exception("modelStreamErrorException", "broke"), "ModelStreamErrorException"),
    "timed out": (exception("modelTimeoutException", TIMED_OUT), None),
    "reset": (exception("validationException", RESET), None),
    "lost": ("break", None),
    "ended": ("end", None),
    "no frame": (b"this is no frame of an event stream, by its checksum", None),
}


@pytest.mark.parametrize(("fault", "code"), RESTARTED.values(), ids=RESTARTED)
def test_it_goes_on_in_a_new_connection(fault, code):
    made = backend(after_audio={0: (3, fault)})
    client = session(made)
    is_cut_with_an_error(client)
    assert [e.code for e in client.of(BidiErrorEvent)] == ([] if code is None else [code])
    assert len(client.of(BidiConnectionRestartEvent)) == 1
    assert len(client.of(BidiConnectionStartEvent)) == 2
    # No agent here reads off how much was heard: all that was planned counts as said.
    assert made.services[1].order.history == [("USER", "what the user said"), ("ASSISTANT", "this is the reply")]
    completes = client.of(BidiResponseCompleteEvent)
    assert completes[1] == BidiResponseCompleteEvent("response_2", "complete")
    assert client.failure is None
    assert client.events[-1].reason == "user_request"


def test_an_invalid_event_ends_the_session_with_its_reason():
    made = backend(after_audio={0: (3, exception("validationException", "Invalid input request"))})
    client = session(made)
    is_cut_with_an_error(client)
    assert [e.code for e in client.of(BidiErrorEvent)] == ["ValidationException"]
    assert type(client.failure) is ProviderError
    assert "Invalid input request" in str(client.failure)
    assert client.events[-1] == BidiConnectionCloseEvent(client.events[0].connection_id, "error")
    assert len(made.services) == 1


def test_credentials_that_expire():
    made = backend(after_audio={0: (3, error("ExpiredTokenException", "The security token has expired"))})
    client = session(made)
    assert [e.code for e in client.of(BidiErrorEvent)] == ["ExpiredTokenException"]
    assert type(client.failure) is CredentialsError


def test_what_the_service_does_not_take_is_told_by_receive():
    """A real validation, by the stand-in's own rules: v1 does not know the turn detection of v2."""
    made = backend()
    m = model(made, sensitivity="LOW")
    m.model_id = "amazon.nova-sonic-v1:0"  # past the check of the constructor

    async def main():
        async with running(m) as client:
            await client.over()
        return client

    client = run_virtual(main())
    assert "turnDetectionConfiguration" in str(client.failure)
    assert client.events[-1].reason == "error"


def test_a_malformed_event_is_skipped():
    rubbish = frame(b"{not json") + frame([1]) + frame({"event": {"audioOutput": {"contentId": 1}}})
    client = session(backend(after_audio={0: (3, rubbish)}))
    assert len(client.rows("malformed_message")) == 3
    # The response goes on: 4 s in pieces of 100 ms, until the second turn speaks into it 3.2 s after it began.
    assert len([e for e in client.of(BidiAudioStreamEvent) if e.response_id == "response_1"]) == 33
    assert [e.stop_reason for e in client.of(BidiResponseCompleteEvent)] == ["interrupted", "complete"]
    assert not client.of(BidiConnectionRestartEvent)


def test_the_end_after_eight_minutes():
    """The service's own end, when it comes before the renewal."""
    made = backend(at_s={0: (479, exception("modelTimeoutException", TIMED_OUT))})

    async def main():
        async with running(model(made, restart_after_s=479.9)) as client:
            await client.speak(*TURN, *[(10.0, 0)] * 48, *TURN, *[(5.0, 0)] * 4, chunk=4096)
        return client

    client = run_virtual(main())
    assert len(client.of(BidiConnectionStartEvent)) == 2
    assert client.failure is None


def test_a_service_that_stays_away_ends_the_session():
    faults = dict.fromkeys(range(1, 6), (503, "ServiceUnavailableException", "later"))
    made = backend(after_audio={0: (3, "break")}, refuse=faults)
    client = session(made, reconnect_attempts=3)
    assert len(client.rows("reconnect_failed")) == 3
    assert type(client.failure) is ProviderConnectionError
    assert "3 attempts" in str(client.failure)
    assert client.events[-1].reason == "error"


def test_a_connection_that_fails_at_once_again_and_again_ends_the_session():
    """The service answers each request, and throttles it before its first event."""
    busy = exception("throttlingException", "slow down")
    made = backend(at_s=dict.fromkeys(range(10), (0.0, busy)))

    async def main():
        async with running(model(made, reconnect_attempts=4)) as client:
            await client.over()
        return client

    client = run_virtual(main())
    assert len(made.services) == 5
    assert type(client.failure) is ProviderConnectionError


def test_audio_that_comes_while_there_is_no_connection_is_counted():
    made = backend(after_audio={0: (3, "break")})
    client = session(made, reconnect_delay_s=1.0)
    (row,) = client.rows("input_dropped")
    # The second until it is tried again, and the tenth given to the close of what is broken; chunks of 512 samples,
    # of which the first and the last may fall either way.
    assert abs(json.loads(row.detail)["dropped_samples"] - 17_600) <= 1024


def test_stopping_in_mid_response_is_prompt():
    made = backend()

    async def main():
        client = Client(model(made))
        await client.start()
        await client.speak(*TURN)
        await client.until(BidiAudioStreamEvent, 2)
        before_s = running_clock().now_s()
        await client.model.stop()
        await client.over()
        return client, running_clock().now_s() - before_s

    client, took_s = run_virtual(main())
    assert took_s < 5
    assert client.failure is None
    assert client.events[-1].reason == "user_request"


def test_a_long_silence_is_renewed_as_often_as_it_needs():
    """A connection that was left at its limit is no failed attempt, though nothing came over it."""
    made = backend()

    async def main():
        async with running(model(made, restart_after_s=10, reconnect_attempts=2)) as client:
            await client.speak((50.0, 0), chunk=4096)
        return client

    client = run_virtual(main())
    assert client.failure is None
    assert len(client.of(BidiConnectionRestartEvent)) >= 4


def test_credentials_are_in_no_error_and_no_row():
    """The service quotes the request whose signature it does not take, and with it the session's token."""
    said = f"The canonical string should have been x-amz-security-token:{TOKEN} {SECRET}"
    made = backend(after_audio={0: (3, error("InvalidSignatureException", said))})
    client = session(made)
    assert "x-amz-security-token:[redacted] [redacted]" in str(client.failure)
    assert "[redacted]" in client.of(BidiErrorEvent)[0].message
    assert not [row for row in client.log.rows if TOKEN in str(row) or SECRET in str(row)]
