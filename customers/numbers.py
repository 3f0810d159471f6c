"""What a trunk says about who is calling, turned into one spelling of the number, or into None.

Chinese trunks spell one mobile number in many ways: ``13800138000``, ``013800138000`` (another province),
``+8613800138000``, ``008613800138000``, ``8613800138000``. All become ``+8613800138000`` (ITU-T E.164).
"""

from __future__ import annotations

import re
import unicodedata

import phonenumbers

from calls import PhoneNumber

WITHHELD = frozenset({"anonymous", "unavailable", "unknown", "restricted", "private", "withheld", "匿名", "未知"})
"""User parts that stand for no number at all (RFC 3323 section 4.1.1.3, and what gateways send)."""

_SEPARATORS = re.compile(r"[\s().\-‐‑–—/]+")
_DIALLED = re.compile(r"\+?[0-9]{1,20}")
# 95xxx… banks and companies, 96xxx… local services, 100xx carriers, 12xxx public lines: dialled without an area code.
# They have no E.164 form, but some trunks put the country code or a trunk prefix before them all the same.
_SERVICE = re.compile(r"(?:(?:\+|00)?86)?0?(9[56]\d{3,6}|1(?:00|2\d)\d\d)")


def parse_number(text: str | None, region: str = "CN") -> PhoneNumber | None:
    """The number in ``text``, or None where it is withheld or no number (a name such as ``alice``).

    A public number of any country becomes E.164; without a country code it is taken as one of ``region`` (ISO 3166).
    What is no public number stays as dialled, without separators: extensions (``8001``) and Chinese service numbers
    (``95188``, also when the trunk sent ``+8695188``).
    """
    dialled = _SEPARATORS.sub("", unicodedata.normalize("NFKC", text or "")).strip("\"'<>").lower()
    if dialled in WITHHELD or not _DIALLED.fullmatch(dialled) or not dialled.strip("+0"):
        return None
    if region == "CN" and (service := _SERVICE.fullmatch(dialled)):
        return PhoneNumber(service[1])
    try:
        number = phonenumbers.parse(dialled, region)
    except phonenumbers.NumberParseException:
        return PhoneNumber(dialled)
    if not phonenumbers.is_valid_number(number):
        return PhoneNumber(dialled)
    return PhoneNumber(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
