"""Output of a run with everything that differs between two runs masked: numbers, identifiers, digests, keys, times, line breaks."""

import re

# In a whole text, before it is cut into words.
_TEXT: tuple[tuple[str, str], ...] = (
    (r"\x1b\[[0-9;?]*[A-Za-z]", ""),
    (r"\bed25519:[\w-]{43}", "N"),
    (r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z| ?[+-]\d{2}:\d{2})?", "N"),
    (r"^\s*│", ""),  # the mark of a quotation stands on each of its lines, and how many they are depends on widths
)
# A number, identifier or digest, whole or cut short, also the rest of one after a line break.
_WORD = re.compile(r"(?:urn:uuid:|sha-256:)?(?:[0-9a-f.,:-]*[0-9][0-9a-f.,:-]*…?|[0-9a-f]+…)")


def masked(text: str) -> list[str]:
    """The words of an output, masked; where its lines break is no matter."""
    for pattern, mask in _TEXT:
        text = re.sub(pattern, mask, text, flags=re.MULTILINE)
    return [_word(word) for word in text.split()]


def _word(word: str) -> str:
    return "N" if _WORD.fullmatch(word) else re.sub(r"\d+", "N", word)
