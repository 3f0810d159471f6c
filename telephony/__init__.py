"""Telephony: SIP signalling, trunks, phones and the legs of calls."""
