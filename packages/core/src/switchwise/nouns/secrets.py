"""Keep keys out of whatever people read: error messages, logs, journals."""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "***"
LONGEST = 4_096
"""Characters of a text that are looked at: what a server says beyond them is dropped."""
_LIKE_A_KEY = re.compile(
    r"\b(?:[sp]k-|rk-|gsk_|xai-|AIza|hf_|nvapi-|csk-|r8_|fw_|pplx-|tgp_v1_|tvly-|esecret_|glpat-|gh[pousr]_|(?:AKIA|ASIA)(?=[A-Z0-9]{12}))[\w*.-]{6,256}"
    r"|(?<=key provided: )\S{4,256}|(?<=bearer )[^\s'\",]{6,1024}|(?<=api-key: )\S{4,256}"
    r"|(?<![\w+/.-])(?=[A-Za-z0-9+/]{0,64}[0-9])(?=[A-Za-z0-9+/]{0,64}[A-Za-z])[A-Za-z0-9+/]{32,128}={0,2}(?![\w+/-])",
    re.IGNORECASE,
)
_LEAST = 6  # characters: a shorter "key" is a placeholder, and may be any word


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """The first 4 kB of the text, without what is secret or looks like a key.

    Parameters:
        secrets: keys that are known, such as the one that was sent; those of less than 6 characters are placeholders.

    >>> masked("Incorrect API key provided: abcd1234. Bearer hf_abcdefghijk", ["abcd1234"])
    'Incorrect API key provided: *** Bearer ***'
    """
    text = text[:LONGEST]
    for secret in secrets:
        if len(secret) >= _LEAST:
            text = text.replace(secret, HIDDEN)
    return _LIKE_A_KEY.sub(HIDDEN, text)
