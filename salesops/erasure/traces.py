"""What names a person, in every usual spelling: found in text, and cut out of it.

A trace is an address, a number or a full name. SQL finds rows that may hold one, loosely; Python decides and cuts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from ingestion.suppression import MARK, email_key, name_key, phone_key

ENCODINGS = ("utf-8", "cp1252")  # of the bytes that are left of UTF-16 without its zeros too
AROUND = 300
_BEFORE = r"(?:(?<![\w.+%-])|(?<=\\[nrtbf])|(?<=%[0-9a-fA-F]{2})|(?<=\\u[0-9a-fA-F]{4}))"
_AFTER = r"(?![\w-])"
_SPACE = r"(?:[\s._+\-\u00a0]|%20|&nbsp;|&#160;|\\u00a0|\\[nrt])"
_PHONE_SPACE = r"(?:[\s().\-/\u00a0]|%20|&nbsp;|\\u00a0)"
_BLANKS = (b"%20", b"&nbsp;", b"\\u00a0", "\u00a0".encode(), b"\xa0", b"(0)")
_SPECIAL = {
    "'": r"(?:'|’|&#x27;|&#39;|&apos;|\\u0027|\\u2019|%27)",
    "’": r"(?:'|’|&#x27;|&#39;|&apos;|\\u0027|\\u2019|%27)",
    "@": r"(?:@|%40|&#64;|\\u0040)",
    "&": r"(?:&amp;|&|\\u0026)",
    "+": r"(?:\+|%2[bB]|\\u002b)",
}


@dataclass(frozen=True)
class Trace:
    """One address, number or name. `key`: what the list of the erased keeps a hash of."""

    kind: str  # email, phone, name
    text: str
    region: str = "SE"

    @property
    def key(self) -> str:
        if self.kind == "email":
            return email_key(self.text)
        return phone_key(self.text) if self.kind == "phone" else name_key(self.text.split())

    @cached_property
    def pattern(self) -> str:
        """Python's expression, exact."""
        if self.kind == "email":
            return _BEFORE + _letters(self.text) + _AFTER
        if self.kind == "phone":
            return _number(self.text, self.region)
        words = self.text.split()
        orders = {tuple(words), (words[-1], *words[:-1])}
        forms = [rf"(?:,?{_SPACE}{{1,3}}|,)".join(_letters(word) for word in order) for order in sorted(orders)]
        return rf"{_BEFORE}(?:{'|'.join(forms)})(?![^\W\d_])"

    @cached_property
    def loose(self) -> str:
        """RE2's expression: matches at least what `pattern` does."""
        if self.kind == "email":
            return _loose_letters(self.text)
        if self.kind == "phone":
            return "[^0-9]{0,9}".join(_core(self))
        words = self.text.split()
        orders = {tuple(words), (words[-1], *words[:-1])}
        return "|".join(".{1,20}".join(_loose_letters(word) for word in order) for order in sorted(orders))


class Traces:
    """Several traces at once."""

    def __init__(self, traces: Iterable[Trace]):
        self.traces = sorted(set(traces), key=lambda trace: (-len(trace.text), trace.kind, trace.text))
        joined = "|".join(f"(?:{trace.pattern})" for trace in self.traces)
        self._exact = re.compile(joined or "(?!)", re.IGNORECASE)
        self._runs = {_runs(trace.text) for trace in self.traces if trace.kind != "phone"}
        self._digits = {_core(trace).encode() for trace in self.traces if trace.kind == "phone"}
        self.loose = "(?is)" + ("|".join(f"(?:{trace.loose})" for trace in self.traces) or "[^\\s\\S]")

    def found_in_bytes(self, chunk: bytes) -> bool:
        """Whether a file's bytes hold a trace, in any encoding. Only what stands around a likely place is looked at."""
        if chunk[:2] in (b"\xff\xfe", b"\xfe\xff"):
            chunk = chunk.decode("utf-16", "ignore").encode()
        plain = chunk.replace(b"\0", b"")
        return any(
            self.found_in(around.decode(encoding, "ignore")) for around in self._likely(plain) for encoding in ENCODINGS
        )

    def _likely(self, plain: bytes) -> Iterator[bytes]:
        low = plain.lower()
        for runs in self._runs:
            if not all(run in low for run in runs):
                continue
            longest, place = max(runs, key=len), -1
            while (place := low.find(longest, place + 1)) >= 0:
                start, end = max(0, place - AROUND), place + AROUND
                if all(run in low[start:end] for run in runs):
                    yield plain[start:end]
        if self._digits:
            dense = low
            for blank in _BLANKS:
                dense = dense.replace(blank, b"")
            dense = dense.translate(None, b" ().-/\t\r\n")
            if any(digits in dense for digits in self._digits):
                yield plain

    def __bool__(self) -> bool:
        return bool(self.traces)

    def found_in(self, text: str) -> bool:
        return self._exact.search(text) is not None

    def cut_from(self, text: str) -> str:
        return self._exact.sub(MARK, text)


def _runs(text: str) -> tuple[bytes, ...]:
    """The runs of plain letters and digits: no spelling of the text has them otherwise."""
    return tuple(run.encode() for run in re.findall(r"[a-z0-9]{2,}", text.lower(), re.ASCII))


def _core(trace: Trace) -> str:
    return _national(trace.text, trace.region)[1] or re.sub(r"\D", "", trace.text)


def _letters(text: str) -> str:
    return "".join(_SPECIAL.get(letter) or _letter(letter) for letter in text)


def _letter(letter: str) -> str:
    if letter.isascii():
        return re.escape(letter)
    both = {letter.lower(), letter.upper()}
    escaped = "|".join(sorted(rf"\\u{ord(form):04x}" for form in both if len(form) == 1))
    quoted = "|".join(sorted("".join(f"%{byte:02X}" for byte in form.encode()) for form in both))
    return f"(?:{re.escape(letter)}|{escaped}|{quoted})"


def _loose_letters(text: str) -> str:
    return "".join(re.escape(c) if c.isascii() and c.isalnum() else ".{1,9}" for c in text)


def _number(text: str, region: str) -> str:
    """The number as it was written, and with 0, +46, 0046 before its national part, however it is divided."""
    digits = re.sub(r"\D", "", text)
    written = _PHONE_SPACE + "*"
    forms = [written.join(digits)]
    country, national = _national(text, region)
    if national:
        rest = written.join(national)
        plus = r"(?:\+|%2[bB]|00)"
        forms.append(rf"{plus}{written.join(country)}{written}(?:\(0\){written}|0{written})?{rest}")
        forms.append(rf"0{written}{rest}")
        if len(national) >= 8:
            forms.append(rf"{written.join(country)}{written}{rest}")
    return rf"(?<!\d)\+?(?:{'|'.join(forms)})(?!\d)"


def _national(text: str, region: str) -> tuple[str, str]:
    """(country code, national number); ("", "") when nobody could call it."""
    import phonenumbers

    try:
        parsed = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return "", ""
    national = str(parsed.national_number)
    return (str(parsed.country_code), national) if len(national) >= 6 else ("", "")
