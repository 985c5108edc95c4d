"""HTML without a template engine: text is escaped unless it is `Html` already."""

from __future__ import annotations

from collections.abc import Iterable

_VOID = frozenset(["br", "col", "hr", "input", "link", "meta"])


class Html(str):
    """A piece of HTML: it is put into other pieces as it is."""

    __slots__ = ()


Content = str | Iterable["Content"] | None
"""A text, which is escaped; a piece of HTML; several of them; or nothing."""


def el(tag: str, *content: Content, **attributes: str | float | bool | None) -> Html:
    """One element.

    Parameters:
        tag: its name.
        content: what stands in it.
        attributes: by name, `_` for `-`, and a trailing `_` for words that Python keeps. True: without a value; None and False: left out.

    >>> el("a", "R&D", href="#x", class_="big", hidden=False)
    '<a href="#x" class="big">R&amp;D</a>'
    """
    words = [tag]
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        key = name.rstrip("_").replace("_", "-")
        words.append(key if value is True else f'{key}="{escaped(str(value))}"')
    opening = f"<{' '.join(words)}>"
    return Html(opening if tag in _VOID else f"{opening}{joined(content)}</{tag}>")


def joined(content: Content) -> Html:
    """Pieces, one after the other.

    >>> joined(["1 < 2", None, el("b", "so")])
    '1 &lt; 2<b>so</b>'
    """
    if content is None:
        return Html("")
    if isinstance(content, Html):
        return content
    if isinstance(content, str):
        return Html(escaped(content))
    return Html("".join([joined(each) for each in content]))


def escaped(text: str) -> str:
    """Text as it may stand in HTML, in quotes too."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
