"""The gate: does a result keep its limits, and is it not worse than an older one, as surely as the data allow.

A metric *fails* only when the one-sided 95 % bound is beyond the limit, and *passes* only when the bound on the other
side is within it. In between it is *inconclusive*: the data allow both. So an unchanged build hardly ever fails, and
what passes is shown. (`recommend` keeps limits one-sided at 97.5 %, as it looks at many settings; a gate at one.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from bidilab.core.checks import check_is, is_number
from bidilab.core.errors import InvalidParameterError
from bidilab.lab.gate.baseline import Pairing, Worsening, holm, p_worse, pair, worsening
from bidilab.lab.gate.evidence import TWO_SIDED, Evidence, Judged, NotJudged
from bidilab.lab.gate.report import Against, CheckReport, CheckRow, Verdict, difference_in_words
from bidilab.lab.gate.subjects import Checkable, NoSetting, SettingLike, evidence_of
from bidilab.lab.metrics.columns import Rate
from bidilab.lab.metrics.intervals import Estimate, members_to_show

__all__ = ["check"]

ALPHA = 0.05
_SLACK = 1e-9
Limits = Mapping[str, float]


def check(
    result: Checkable,
    *,
    max: Limits | None = None,  # noqa: A002 - as the option is called
    min: Limits | None = None,  # noqa: A002
    baseline: Checkable | None = None,
    metrics: Sequence[str] = (),
    margin: Limits | None = None,
    setting: SettingLike | None = None,
    baseline_setting: SettingLike | None = None,
    proof: bool = False,
) -> CheckReport:
    """Judge a result against limits, and against an older result.

    Parameters
    ----------
    result
        A sweep (its recommended setting is judged), replays of recordings with labels, judged calls, a client probe's
        report, or the path of a saved one.
    max, min
        The largest and smallest value of each metric, by the name of its column: rates in [0, 1], milliseconds. Without
        any, a sweep is held to the limits that it was made with.
    baseline
        An older result of the same kind. No named metric may be worse than there. Recordings that both results have are
        compared pairwise, matched by their audio if it is known, otherwise by name.
    metrics
        Metrics that are only compared with the baseline.
    margin
        By how much a metric may be worse than the baseline, in its own unit; 0 when not given.
    setting, baseline_setting
        For a sweep: the row, a dict of knobs (``{"threshold": 0.6}``, each a swept value; the others are the swept
        values nearest to the provider's default), or a `Recommendation`.
    proof
        Whether a metric passes only if it is shown to be within its limit.

    Returns
    -------
    CheckReport
        Its ``exit_code`` is 0 if nothing fails (with ``proof``: if every limit is shown to be kept), 1 if a metric
        surely fails or the sweep recommends no setting, 2 if there is too little to judge by, 3 if proof is asked for
        and missing.

    Raises
    ------
    InvalidParameterError
        If a metric is not known or has no bound (the message names similar ones), a limit is not in its range, or there
        is nothing to check.
    ResultError
        If a saved result cannot be read.

    Examples
    --------
    >>> report = check("sweep-calls", max={"missed_rate": 0.15})  # doctest: +SKIP
    >>> report.exit_code, report.rows[0].bound  # doctest: +SKIP
    """
    subject = evidence_of(result, setting)
    old = None if baseline is None else _baseline(baseline, baseline_setting)
    if old is None and baseline_setting is not None:
        raise InvalidParameterError("baseline_setting", "left out without a baseline", baseline_setting)
    if isinstance(subject, NoSetting):
        row = CheckRow(metric="recommendation", against="recommendation", verdict="fail", reason=subject.message)
        return CheckReport(title=subject.title, rows=(row,), proof=proof)
    asked = _asked(subject, max, min)
    compared = _compared(subject, asked, metrics, margin, old)
    if not asked and not compared:
        raise InvalidParameterError("max", f"limits on some of {', '.join(subject.metrics)}", max)
    rows = [_limit_row(subject, limit) for limit in asked]
    pairing = None
    if old is not None:
        pairing = pair(subject, old)
        rows += _baseline_rows(subject, old, compared, pairing)
    return CheckReport(
        title=subject.title,
        rows=tuple(rows),
        proof=proof,
        unit=subject.unit,
        baseline="" if old is None else old.title,
        pairing="" if pairing is None else str(pairing),
        notes=(*subject.notes, *(() if old is None or pairing is None else _made_otherwise(subject, old, pairing))),
    )


def _made_otherwise(subject: Evidence, old: Evidence, pairing: Pairing) -> Iterator[str]:
    """In what the two were made in another way, a sentence each."""
    for name, here in subject.made.items():
        if (there := old.made.get(name)) not in (None, here):
            yield f"The {name} is another: {here} here, {there} in the baseline."
    known = bool(subject.dataset and old.dataset)
    if known and subject.dataset != old.dataset and pairing.complete and subject.audio is not None:
        yield (
            f"The {pairing.unit}s are the same, their descriptions are not: where labels have changed, so has what is "
            "counted."
        )


class _Limit(NamedTuple):
    column: Judged
    against: Against
    at: float


def _baseline(baseline: Checkable, setting: SettingLike | None) -> Evidence:
    found = evidence_of(baseline, setting)
    if isinstance(found, NoSetting):
        raise InvalidParameterError(
            "baseline", f"a result with a setting to compare with ({found.message})", found.title
        )
    return found


def _asked(subject: Evidence, most: Limits | None, least: Limits | None) -> list[_Limit]:
    given: list[tuple[str, Limits, Against]] = [
        ("max", {} if most is None else most, "at most"),
        ("min", {} if least is None else least, "at least"),
    ]
    asked = []
    for option, limits, against in given:
        check_is(option, limits, Mapping, 'limits by metric, such as {"missed_rate": 0.1}')
        for metric, at in limits.items():
            column = subject.column(metric)
            asked.append(_Limit(column, against, _number(f"{option}[{metric!r}]", column, at)))
    if not asked and most is None and least is None:
        asked = [_Limit(subject.column(metric), "at most", at) for metric, at in subject.limits.items()]
    return asked


def _number(name: str, column: Judged, value: float) -> float:
    top = 1.0 if isinstance(column, Rate) else math.inf
    if not (is_number(value) and 0 <= value <= top and math.isfinite(value)):
        allowed = "a rate in [0, 1] (0.1 for 10 %)" if top == 1 else f"a finite number of {column.unit} >= 0"
        raise InvalidParameterError(name, allowed, value)
    return float(value)


def _compared(
    subject: Evidence, asked: Sequence[_Limit], metrics: Sequence[str], margin: Limits | None, old: Evidence | None
) -> dict[Judged, float]:
    """The metrics to compare with the baseline, each with its margin."""
    if old is None:
        for name, given in (("metrics", metrics), ("margin", margin)):
            if given:
                raise InvalidParameterError(name, "left out without a baseline", given)
        return {}
    if old.kind != subject.kind:
        raise InvalidParameterError("baseline", f"a {subject.kind}, like the result", f"a {old.kind}")
    named = [*(limit.column for limit in asked), *map(subject.column, metrics)]
    compared = dict.fromkeys(named, 0.0)
    if not compared:
        raise InvalidParameterError("metrics", f"at least one of {', '.join(subject.metrics)}", metrics)
    for metric, value in (margin or {}).items():
        column = subject.column(metric)
        if column not in compared:
            raise InvalidParameterError("margin", f"given for metrics that are compared: {_names(compared)}", metric)
        compared[column] = _number(f"margin[{metric!r}]", column, value)
    return compared


def _names(columns: Mapping[Judged, float]) -> str:
    return ", ".join(column.name for column in columns)


# -- against a limit ------------------------------------------------------------------------------------------------


def _limit_row(subject: Evidence, limit: _Limit) -> CheckRow:
    column, against, at = limit
    try:
        n, found = _enough(subject, column)
    except _TooFew as few:
        return CheckRow(
            metric=column.name,
            against=against,
            verdict="not judged",
            reason=str(few),
            column=column,
            value=few.value,
            n=few.n,
            limit=at,
        )
    verdict, reason = _against_limit(column, found, against, at)
    return CheckRow(
        metric=column.name,
        against=against,
        verdict=verdict,
        reason=reason,
        column=column,
        value=float(found.value),
        n=n,
        limit=at,
        lo=float(found.lo),
        hi=float(found.hi),
    )


class _TooFew(Exception):  # noqa: N818 - a verdict with its reason, not a failure
    def __init__(self, reason: str, n: float = math.nan, value: float = math.nan) -> None:
        super().__init__(reason)
        self.n = n
        self.value = value


def _enough(subject: Evidence, column: Judged) -> tuple[float, Estimate]:
    """What a metric rests on, and its estimate; raises where that is too little to judge by."""
    try:
        n, found = subject.n(column), subject.estimate(column)
    except NotJudged as error:
        raise _TooFew(str(error)) from error
    if not n:
        raise _TooFew(f"there are no {column.n_label}", n)
    value = float(found.value)
    if n < column.small_n:
        digits, unit = (1, f" {column.n_unit}") if column.n_unit else (0, "")
        raise _TooFew(
            f"{n:.{digits}f} {column.n_label} are too few to judge by: it takes "  # a label in minutes begins with them
            f"{column.small_n:g}{unit} at least",
            n,
            value,
        )
    if math.isnan(float(found.lo)):
        raise _TooFew(f"all {column.n_label} are of one {subject.unit}, and a bound needs at least two", n, value)
    return n, found


def _enough_there(old: Evidence, column: Judged) -> Estimate:
    """The estimate of the baseline; what it lacks is said to be lacking there."""
    try:
        return _enough(old, column)[1]
    except _TooFew as few:
        raise _TooFew(f"in the baseline, {few}") from few


def _against_limit(column: Judged, found: Estimate, against: Against, at: float) -> tuple[Verdict, str]:
    value, lo, hi = float(found.value), float(found.lo), float(found.hi)
    upper = against == "at most"
    if (lo > at + _SLACK) if upper else (hi < at - _SLACK):
        if math.isinf(lo):
            return "fail", "surely above the limit: so many never come that the quantile is not reached"
        beyond = (
            f"above the limit: at least {_said(column, lo)}"
            if upper
            else f"below the limit: at most {_said(column, hi)}"
        )
        return "fail", f"surely {beyond} fits the data"
    if (hi <= at + _SLACK) if upper else (lo >= at - _SLACK):
        shown = f"at most {_said(column, hi)}" if upper else f"at least {_said(column, lo)}"
        return "pass", f"surely within the limit: {shown} fits the data"
    other = f"up to {_said(column, hi)}" if upper else f"as little as {_said(column, lo)}"
    if (value <= at + _SLACK) if upper else (value >= at - _SLACK):
        if upper and math.isinf(hi):
            return "inconclusive", "within the limit, but the data set no upper end"
        return "inconclusive", f"within the limit, but {other} fits the data{_would_show(column, found, at)}"
    back = (
        f"above the limit, but as little as {_said(column, lo)}"
        if upper
        else f"below the limit, but up to {_said(column, hi)}"
    )
    return "inconclusive", f"{back} fits the data"


def _would_show(column: Judged, found: Estimate, at: float) -> str:
    """How many members would show that a rate keeps its limit."""
    if not isinstance(column, Rate):
        return ""
    needed = members_to_show(float(found.value), float(found.design_effect), int(found.n_clusters), at, TWO_SIDED)
    return f"; about {needed:,.0f} {column.n_label} like these would show it" if math.isfinite(needed) else ""


def _said(column: Judged, value: float) -> str:
    return column.format(value, unit=True)


# -- against a baseline ---------------------------------------------------------------------------------------------


def _baseline_rows(
    subject: Evidence, old: Evidence, compared: Mapping[Judged, float], pairing: Pairing
) -> list[CheckRow]:
    rows: dict[Judged, CheckRow] = {}
    found: dict[Judged, tuple[float, float, float, Worsening]] = {}
    for column, margin in compared.items():
        if column.better is None:
            raise InvalidParameterError(
                "metrics", f"metrics of which more or less is better than {column.name}", column.name
            )
        try:
            n, new = _enough(subject, column)
            before = _enough_there(old, column)
            found[column] = (n, float(new.value), float(before.value), worsening(subject, old, column, pairing))
        except (_TooFew, NotJudged) as few:
            rows[column] = CheckRow(
                metric=column.name,
                against="baseline",
                verdict="not judged",
                reason=str(few),
                column=column,
                limit=margin,
            )
    levels = holm([p_worse(each[-1], compared[column]) for column, each in found.items()], ALPHA)
    for (column, (n, value, before_value, worse)), (level, shown) in zip(found.items(), levels, strict=True):
        margin = compared[column]
        verdict, reason = _against_baseline(column, worse, margin, level, shown, pairing)
        same = worse.n_differing == 0 and pairing.complete
        rows[column] = CheckRow(
            metric=column.name,
            against="baseline",
            verdict=verdict,
            reason=reason,
            column=column,
            value=value,
            n=n,
            limit=margin,
            lo=0.0 if same else worse.least(level),
            hi=0.0 if same else worse.most(ALPHA),
            level=1 - level,
            baseline=before_value,
            worsening=0.0 if same else worse.value,
        )
    return [rows[column] for column in compared]


def _against_baseline(
    column: Judged, worse: Worsening, margin: float, level: float, shown: bool, pairing: Pairing
) -> tuple[Verdict, str]:
    if worse.n_differing == 0 and pairing.complete:
        return "pass", f"the same in every {pairing.unit}"
    least, most = (difference_in_words(column, bound) for bound in (worse.least(level), worse.most(ALPHA)))
    beyond = f" than the margin of {difference_in_words(column, margin)}" if margin else ""
    if shown:
        at = f" at {100 * (1 - level):.3g} %" if level != ALPHA else ""
        return "fail", f"surely worse{beyond}: at least {least} worse fits the data{at}"
    if worse.p_within(margin) <= ALPHA:
        most_s = f"at most {most} worse" if worse.most(ALPHA) > 0 else "nothing worse"
        return "pass", f"surely not worse{beyond}: {most_s} fits the data"
    if math.isnan(worse.value):
        return "inconclusive", "neither of the two reaches the quantile, so that they cannot be told apart"
    word = "worse" if worse.value > 0 else "better"
    amount = difference_in_words(column, abs(worse.value))
    said = f"{amount} {word}" if worse.value else "no difference"
    if worse.p_worse(margin) <= level:
        few = f"only {worse.n_differing} {pairing.unit}{'s differ' if worse.n_differing > 1 else ' differs'}"
        return "inconclusive", f"{said}, but {few}, which is too few to show it"
    to = f"at most {most} worse" if worse.most(ALPHA) > 0 else "nothing worse"
    return "inconclusive", f"{said}, but neither shown worse nor shown not worse: {to} fits the data"
