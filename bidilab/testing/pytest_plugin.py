"""The pytest plugin: a result judged inside a test run, ``pytest --bidilab-result sweep-calls``.

It is registered when bidilab is installed. It imports nothing but pytest until one of its fixtures is used, and its
fixtures skip their tests where no result is given, so a run without its options is not touched.

A test that gates a build::

    def test_interruptions(bidilab_check):
        bidilab_check(max={"false_interruption_rate": 0.4, "missed_rate": 0.15})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bidilab.lab.gate import CheckReport, Evidence
    from bidilab.lab.gate.subjects import Checkable
    from bidilab.lab.judge import JudgedCalls

__all__ = ["InconclusiveWarning", "bidilab_check", "bidilab_result", "judged", "pytest_addoption"]

RESULT = "--bidilab-result"
JUDGE = "--bidilab-judge"
USER_CHANNEL = "--bidilab-user-channel"
BASELINE = "--bidilab-baseline"


class InconclusiveWarning(UserWarning):
    """A metric of which the data neither show nor exclude that it keeps its limit."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of bidilab."""
    group = parser.getgroup("bidilab", "bidilab: interruptions of a voice agent")
    group.addoption(
        RESULT,
        metavar="PATH",
        help="Result that the fixtures bidilab_check and bidilab_result judge: a folder of a sweep or of replays, or "
        "the .json of a client probe.",
    )
    group.addoption(
        JUDGE,
        metavar="DIR",
        help="Recordings of calls to judge first, as bidilab judge does; the fixture judged is the result, and "
        "bidilab_check judges it.",
    )
    group.addoption(USER_CHANNEL, metavar="N", type=int, help="Of these calls: which channel is the user's, from 1.")
    group.addoption(BASELINE, metavar="PATH", help="Older result that bidilab_check compares it with.")


@pytest.fixture(scope="session")
def judged(pytestconfig: pytest.Config) -> JudgedCalls:
    """The calls of ``--bidilab-judge``, judged once in a run: tables, rates, ``.timeline(…)``, ``.report(…)``."""
    if (calls := pytestconfig.getoption(JUDGE)) is None:
        pytest.skip(f"no {JUDGE} is given")
    from bidilab.lab.judge import judge

    return judge(calls, user_channel=pytestconfig.getoption(USER_CHANNEL), progress=False)


@pytest.fixture(scope="session")
def bidilab_result(request: pytest.FixtureRequest) -> Evidence:
    """The result of ``--bidilab-result`` or ``--bidilab-judge``: its counts by recording, ``.metrics`` and so on."""
    from bidilab.lab.gate import Evidence, evidence_of

    found = evidence_of(_given(request))
    if not isinstance(found, Evidence):
        pytest.fail(f"{found.title}: {found.message}", pytrace=False)
    return found


@pytest.fixture
def bidilab_check(request: pytest.FixtureRequest) -> Callable[..., CheckReport]:
    """Judge the result of ``--bidilab-result`` or ``--bidilab-judge``; the test fails as `bidilab check` would.

    Call it with the arguments of `bidilab.check`: ``max``, ``min``, ``metrics``, ``margin``, ``setting``,
    ``baseline_setting``, ``proof``, and ``baseline`` where it is not that of ``--bidilab-baseline``. It returns the
    report. What is inconclusive is an `InconclusiveWarning`; with ``proof=True`` it fails.
    """
    result = _given(request)
    old = request.config.getoption(BASELINE)

    def judge(
        *,
        max: Mapping[str, float] | None = None,  # noqa: A002 - as `bidilab.check`
        min: Mapping[str, float] | None = None,  # noqa: A002
        metrics: Sequence[str] = (),
        baseline: Any = old,
        **further: Any,
    ) -> CheckReport:
        from bidilab.lab.gate import check

        report = check(result, max=max, min=min, metrics=metrics, baseline=baseline, **further)
        for row in report.rows:
            request.node.user_properties.append((f"{row.metric} {row.asked}", f"{row.shown}: {row.verdict}"))
        if not report.passed:
            pytest.fail(str(report), pytrace=False)
        for warning in report.warnings:
            request.node.warn(InconclusiveWarning(warning))
        return report

    return judge


def _given(request: pytest.FixtureRequest) -> Checkable:
    """What the options name: a path, or calls that are judged now."""
    path, calls = (request.config.getoption(option) for option in (RESULT, JUDGE))
    if path is not None and calls is not None:
        raise pytest.UsageError(f"give {RESULT} or {JUDGE}, not both")
    if path is None and calls is None:
        pytest.skip(f"neither {RESULT} nor {JUDGE} is given")
    found: Checkable = request.getfixturevalue("judged") if path is None else str(path)
    return found
