"""Does a sentence say only what its sources say? For language models too small to be trusted.

Every word of it has to stand in a source, in some form, or be one that says nothing by itself; so a noun, a number, a
colour or a direction that the sources don't have is found without a list of nouns. It has to keep what the sources
deny, and half of what each says.
"""

import re
from collections.abc import Sequence

LEAST = 0.5
"""The share of a source's words that the sentence keeps."""
_SAY_NOTHING = (
    "a an the and or but with of in on at by for from to as into while which that this these those it its "
    "is are was were be been being has have had there here where when who whose also both each some then "
    "than so s shows show showing shown seen see captures captured features featuring depicts video clip "
    "picture image photograph photo footage scene frame shot sentence caption"
)
_EMPTY = frozenset(_SAY_NOTHING.split())
_DENY = "no not nothing never none without hardly nor neither nobody almost little few"
_DENIALS = frozenset(_DENY.split())
_COUNT = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
_NUMBERS = {word: str(n) for n, word in enumerate(_COUNT.split())}
_NUMBERS |= {"hundred": "100", "thousand": "1000", "dozen": "12", "pair": "2", "couple": "2"}
_WORDS = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")


def disagreement(sentence: str, sources: Sequence[str]) -> str:
    """Why a sentence does not say what its sources say; empty if it does.

    >>> disagreement("A red car drives to the left.", ["A red car.", "It drives to the left."])
    ''
    >>> disagreement("Two cars drive to the right.", ["A red car.", "It drives to the left."])
    "it says 'two', which no source does"
    """
    words = _tokens(sentence)
    if not words:
        return "it says nothing"
    known = {stem(word) for source in sources for word in _tokens(source)}
    for word in words:
        if word not in _EMPTY and stem(word) not in known:
            return f"it says {word!r}, which no source does"
    said = {stem(word) for word in words}
    for source in sources:
        told = [word for word in _tokens(source) if word not in _EMPTY]
        denied = next((word for word in told if word in _DENIALS and stem(word) not in said), "")
        if denied:
            return f"it leaves out {denied!r}"
        if told and sum(stem(word) in said for word in told) < LEAST * len(told):
            return f"it leaves out most of {source!r}"
    return ""


def stem(word: str) -> str:
    """The part of an English word that its forms share, or the digits of a number.

    >>> [stem(word) for word in ("moves", "moving", "moved", "cities", "city", "leftwards", "twelve", "2.0", "2")]
    ['mov', 'mov', 'mov', 'cit', 'cit', 'left', '12', '2', '2']
    """
    if word[0].isdigit():
        number = word.replace(",", "")
        return number.rstrip("0").rstrip(".") or "0" if "." in number else number
    if word in _NUMBERS:
        return _NUMBERS[word]
    for ending in ("wards", "ward", "ingly", "ings", "ing", "ies", "ed", "es", "ly", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not (ending == "s" and word.endswith("ss")):
            return word[: -len(ending)]
    return word


def _tokens(text: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(text)]
