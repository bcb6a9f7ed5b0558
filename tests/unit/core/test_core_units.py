"""Goal: what people write is read as they mean it or refused, and what is shown can be read again.

Method: the spellings by hand, bad input by hand, and round trips over drawn numbers.
"""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from godwit.core.errors import BadValue
from godwit.core.units import (
    GIB,
    KIB,
    MIB,
    format_bytes,
    format_duration,
    format_fraction,
    format_rate,
    parse_bytes,
    parse_duration,
    parse_rate,
)

PARSERS = (parse_bytes, parse_rate, parse_duration)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("4096", 4096),
        ("4096b", 4096),
        ("1k", KIB),
        ("512MiB", 512 * MIB),
        ("512 mib", 512 * MIB),
        ("  2G ", 2 * GIB),
        ("1.5GiB", 1536 * MIB),
        ("10GB", 10**10),
        ("10kb", 10_000),
        ("3mb", 3_000_000),
        ("1T", 1024 * GIB),
        ("1tib", 1024 * GIB),
        ("1tb", 10**12),
    ],
)
def test_a_size_is_read_as_people_write_it(text: str, expected: int) -> None:
    found = parse_bytes(text)
    assert found == expected
    assert isinstance(found, int)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1gbit", 1e9 / 8),
        ("1Gbit/s", 1e9 / 8),
        ("100mbit", 1e8 / 8),
        ("8kbit", 1000.0),
        ("8bit", 1.0),
        ("1tbit", 1e12 / 8),
        ("100MiB/s", 100.0 * MIB),
        ("100 MiB", 100.0 * MIB),
        ("50MB", 5e7),
        ("125000000", 1.25e8),
    ],
)
def test_a_rate_is_bytes_per_second_whether_written_in_bits_or_bytes(
    text: str, expected: float
) -> None:
    assert parse_rate(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("300ms", 0.3),
        ("0.5", 0.5),
        ("2s", 2.0),
        ("2 sec", 2.0),
        ("10m", 600.0),
        ("10min", 600.0),
        ("1h", 3600.0),
        ("2d", 172800.0),
    ],
)
def test_a_duration_is_read_in_seconds(text: str, expected: float) -> None:
    assert parse_duration(text) == pytest.approx(expected)


@pytest.mark.parametrize("parse", PARSERS, ids=lambda one: one.__name__)
@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "MiB", "-1s", "1..5s", "1,5s", "1e3", "0x10", "1s 2s", "nan", "inf", "1 parsec"),
        *("٣s", "1s\n2s", "5/5", "9" * 400, "9" * 308 + "d", "9" * 308 + "tib"),
    ],
    ids=lambda text: repr(text)[:12],
)
def test_what_can_not_be_read_is_refused_with_a_remedy(parse: object, text: str) -> None:
    assert callable(parse)
    with pytest.raises(BadValue) as raised:
        parse(text)
    assert repr(text) in raised.value.message
    assert raised.value.remedy


@pytest.mark.parametrize("text", ["100mbps", "1gbps", "1 Gbps", "100bps"])
def test_a_rate_that_may_mean_bits_or_bytes_is_not_guessed_at(text: str) -> None:
    with pytest.raises(BadValue) as raised:
        parse_rate(text)
    assert "mbit" in raised.value.remedy


def test_units_of_another_kind_are_refused() -> None:
    for parse, text in ((parse_bytes, "10s"), (parse_bytes, "1gbit"), (parse_duration, "1mib")):
        with pytest.raises(BadValue, match="unknown unit"):
            parse(text)


@given(st.integers(0, 2**60))
def test_a_size_that_is_shown_can_be_read_again(size_bytes: int) -> None:
    assert parse_bytes(format_bytes(size_bytes)) == pytest.approx(size_bytes, rel=0.05)


@given(st.floats(0, 2.0**50))
def test_a_rate_that_is_shown_can_be_read_again(rate: float) -> None:
    assert parse_rate(format_rate(rate)) == pytest.approx(rate, rel=0.05, abs=0.5)


@given(st.floats(0, 59.9))
def test_a_short_duration_that_is_shown_can_be_read_again(duration_s: float) -> None:
    assert parse_duration(format_duration(duration_s)) == pytest.approx(
        duration_s, rel=0.05, abs=0.0006
    )


@given(st.integers(0, 2**63))
def test_whole_bytes_are_read_without_loss_as_far_as_a_float_can(size_bytes: int) -> None:
    assert parse_bytes(str(size_bytes)) == int(float(size_bytes))


@pytest.mark.parametrize(
    ("size_bytes", "expected"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (100 * KIB, "100 KiB"),
        (1536 * MIB, "1.5 GiB"),
        (2048 * GIB, "2.0 TiB"),
        (5000 * 1024 * GIB, "5000.0 TiB"),
        (-2 * MIB, "-2.0 MiB"),
    ],
)
def test_a_size_is_shown_in_binary_units(size_bytes: int, expected: str) -> None:
    assert format_bytes(size_bytes) == expected


@pytest.mark.parametrize(
    ("duration_s", "expected"),
    [
        (0.0, "0 ms"),
        (0.0304, "30 ms"),
        (1.0, "1.0 s"),
        (59.94, "59.9 s"),
        (60.0, "1 m 00 s"),
        (61.6, "1 m 02 s"),
        (3599.6, "1 h 00 m"),
        (7384.0, "2 h 03 m"),
    ],
)
def test_a_duration_is_shown_in_the_unit_that_fits(duration_s: float, expected: str) -> None:
    assert format_duration(duration_s) == expected


def test_a_fraction_is_shown_as_percent() -> None:
    assert format_fraction(0.256) == "26 %"
