"""Checks whether an image, audio, video or file can be sent to a target; if not, another target is tried."""

from __future__ import annotations

from switchwise.dialects.dialect import ADDRESS, DATA, Dialect
from switchwise.nouns.errors import FailureKind, TargetError

OPENAIS_FILE, ANTHROPICS_FILE = "file-", "file_"
"""Prefixes of file ids of providers that store files: each has its own form."""
OTHERWISE = "leave it out, or add a target that takes it"


def check(dialect: Dialect, kind: str, *, data: bool, address: bool) -> None:
    """Raise if the content cannot be sent to the target.

    Parameters:
        dialect: of the target.
        kind: `image`, `audio`, `video` or `file`.
        data: the content is inside the request.
        address: the content has a URL.

    Raises:
        TargetError: it cannot be sent to the target.
    """
    if dialect.media is None:
        return
    ways = dialect.media.get(kind, frozenset())
    if (data and DATA in ways) or (address and not data and ADDRESS in ways):
        return
    where = "" if data else (" by its address" if address else " that is stored elsewhere")
    other = DATA if DATA in ways else ADDRESS if ADDRESS in ways else ""
    raise unsupported(dialect, f"{kind} content{where}", f"give its {other} instead" if other else OTHERWISE)


def check_file(dialect: Dialect, file: str) -> None:
    """Raise if a file is stored by another provider.

    Parameters:
        dialect: of the target.
        file: id of the file.

    Raises:
        TargetError: the target has no access to it.
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
        raise unsupported(dialect, f"the file {file}, which another provider stores", "give its data instead")


def unsupported(dialect: Dialect, what: str, remedy: str = OTHERWISE) -> TargetError:
    """Return the failure of a target to which some content cannot be sent."""
    return TargetError(FailureKind.UNSUPPORTED, f"{dialect.title} cannot take {what}: {remedy}")
