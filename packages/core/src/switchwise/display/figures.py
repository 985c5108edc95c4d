"""Numbers as people read them."""

from __future__ import annotations

from math import floor, log10


def usd(amount: float | None) -> str:
    """An amount, with as many digits as it has to say something.

    >>> usd(1.5), usd(1234.5), usd(0.00123), usd(0.000007), usd(0), usd(None), usd(-0.2)
    ('$1.50', '$1,234.50', '$0.00123', '$0.00000700', '$0.00', '?', '-$0.200')
    """
    if amount is None:
        return "?"
    size = abs(amount)
    text = (
        f"{size:,.2f}" if size == 0 or size >= 1 else f"{size:#.3g}" if size >= 0.0001 else f"{size:.{2 - floor(log10(size))}f}"
    )
    return f"{'-' if amount < 0 else ''}${text}"


def exact(amount: float, decimals: int = 4) -> str:
    """USD with this many decimals, or with as many more as show three digits of it.

    >>> exact(0.07), exact(0.1, 2), exact(1234, 2), exact(0.0000214), exact(0)
    ('$0.0700', '$0.10', '$1,234.00', '$0.0000214', '$0.0000')
    """
    if amount and abs(amount - round(amount, decimals)) > 0.005 * abs(amount):
        decimals = max(decimals, 2 - floor(log10(abs(amount))))
    return f"${amount:,.{decimals}f}"


def percent(share: float | None, digits: int = 0) -> str:
    """A share of 1; a dash for None.

    >>> percent(0.123), percent(0.0004), percent(1), percent(0.9996)
    ('12 %', '< 0.1 %', '100 %', '> 99.9 %')
    """
    if share is None:
        return "–"
    if not digits and 0 < share < 0.01:
        return "< 0.1 %" if share < 0.001 else f"{share * 100:.1f} %"
    if not digits and 0.99 < share < 1:
        return "> 99.9 %" if share > 0.999 else f"{share * 100:.1f} %"
    return f"{share * 100:.{digits}f} %"


def seconds(duration: float | None) -> str:
    """A duration, in the unit that suits it; a dash for None.

    >>> seconds(0.000232), seconds(0.0421), seconds(3.14159), seconds(75), seconds(7_300)
    ('232 µs', '42 ms', '3.1 s', '1 min 15 s', '2 h 1 min')
    """
    if duration is None:
        return "–"
    if duration < 0.001:
        return f"{duration * 1e6:.0f} µs"
    if duration < 1:
        return f"{duration * 1e3:.0f} ms"
    if duration < 60:
        return f"{duration:.1f} s"
    minutes, rest = divmod(round(duration), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def count(number: int | None) -> str:
    """A whole number, long ones shortened; a dash for None.

    >>> count(999), count(12_345), count(1_234_567)
    ('999', '12,345', '1.23 M')
    >>> count(None) == seconds(None) == percent(None) == chr(0x2013)  # a dash
    True
    """
    if number is None:
        return "–"
    return (
        f"{number:,}" if abs(number) < 1_000_000 else f"{number / 1e6:.3g} M" if abs(number) < 1e9 else f"{number / 1e9:.3g} G"
    )


def many(number: int, one: str, more: str = "") -> str:
    """A number with its noun.

    >>> many(1, "session"), many(3, "reply", "replies")
    ('1 session', '3 replies')
    """
    return f"{number:,} {one if number == 1 else more or one + 's'}"
