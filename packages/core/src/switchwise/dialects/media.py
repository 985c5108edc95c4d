"""Whether a target can be shown a picture, a sound, a film or a file; where it cannot, another one is asked."""

from __future__ import annotations

from switchwise.dialects.dialect import ADDRESS, DATA, Dialect
from switchwise.nouns.errors import FailureKind, TargetError

OPENAIS_FILE, ANTHROPICS_FILE = "file-", "file_"
"""How ids of files begin that the two keep: each has ids of its own look."""


def check(dialect: Dialect, kind: str, *, data: bool, address: bool) -> None:
    """Refuse what the target cannot be shown.

    Parameters:
        dialect: of the target.
        kind: `image`, `audio`, `video` or `file`.
        data: it is inside the request.
        address: there is a URL.

    Raises:
        TargetError: the target cannot be shown it.
    """
    if dialect.media is None:
        return
    ways = dialect.media.get(kind, frozenset())
    if (data and DATA in ways) or (address and not data and ADDRESS in ways):
        return
    where = "" if data else (" by its address" if address else " that is kept elsewhere")
    raise untellable(dialect, f"{kind} content{where}")


def check_file(dialect: Dialect, file: str) -> None:
    """Refuse a file that another provider keeps.

    Parameters:
        dialect: of the target.
        file: its id.

    Raises:
        TargetError: the target cannot have it.
    """
    protocol = dialect.protocol
    foreign = (
        file.startswith(ANTHROPICS_FILE)
        if protocol.startswith("openai")
        else file.startswith(OPENAIS_FILE)
        if protocol == "anthropic"
        else file.startswith((OPENAIS_FILE, ANTHROPICS_FILE))
    )
    if foreign:
        raise untellable(dialect, f"the file {file}, which another provider keeps")


def untellable(dialect: Dialect, what: str) -> TargetError:
    """The failure of a target that has no way to be told something."""
    return TargetError(FailureKind.UNSUPPORTED, f"{dialect} cannot be told {what}")
