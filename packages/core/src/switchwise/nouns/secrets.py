"""Masks keys in error messages, logs and journals."""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "***"
LONGEST = 4_096
"""Characters of a text that are kept: the rest of a server's message is dropped."""
_LIKE_A_KEY = (  # compiled when it is first needed: it takes a tenth of the import
    r"\b(?:[sp]k-|rk-|gsk_|xai-|AIza|hf_|nvapi-|csk-|r8_|fw_|pplx-|tgp_v1_|tvly-|esecret_|glpat-|gh[pousr]_|(?:AKIA|ASIA)(?=[A-Z0-9]{12}))[\w*.-]{6,256}"
    r"|(?<=key provided: )\S{4,256}|(?<=bearer )[^\s'\",]{6,1024}|(?<=api-key: )\S{4,256}"
    r"|(?<![\w+/.-])(?=[A-Za-z0-9+/]{0,64}[0-9])(?=[A-Za-z0-9+/]{0,64}[A-Za-z])[A-Za-z0-9+/]{32,128}={0,2}(?![\w+/-])"
)
_LEAST = 6  # characters: a shorter "key" is a placeholder


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the first 4 kB of the text with secrets and key-like words masked.

    Parameters:
        secrets: known keys, such as the one that was sent; those under 6 characters are placeholders.

    >>> masked("Incorrect API key provided: abcd1234. Bearer hf_abcdefghijk", ["abcd1234"])
    'Incorrect API key provided: *** Bearer ***'
    """
    text = text[:LONGEST]
    for secret in secrets:
        if len(secret) >= _LEAST:
            text = text.replace(secret, HIDDEN)
    return re.sub(_LIKE_A_KEY, HIDDEN, text, flags=re.IGNORECASE)
