"""Times and durations as Kubernetes writes them: RFC 3339 in UTC, whole seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def stamp(time: datetime) -> str:
    """An aware datetime as `2026-01-31T08:00:00Z`."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def micro_stamp(time: datetime) -> str:
    """The same as a MicroTime of the API; for people who look, never compared."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def stamp_after(time: datetime) -> str:
    """The first whole second that is not before `time`: a pause is never cut short."""
    return stamp(time + timedelta(microseconds=-time.microsecond % 1_000_000))


def earliest(*times: datetime | None) -> datetime | None:
    """The first of those that there are; None where there is none."""
    first = None
    for time in times:
        if time is not None and (first is None or time < first):
            first = time
    return first


def describe_span(span: timedelta) -> str:
    """A duration as `1h2m3s`, `2m3s` or `3s`; a negative one (clock skew) counts as zero."""
    seconds = max(0, int(span.total_seconds()))
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def parse_time(value: object) -> datetime | None:
    """An RFC 3339 time as an aware datetime; None where there is none or it is malformed."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None
