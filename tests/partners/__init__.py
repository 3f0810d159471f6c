"""Test partners: real SIP clients that this project did not write, and judges of what they hear.

``sipp`` (callers and fixed-contact phones), ``pjsua2_phone``, ``baresip_phone`` and ``pyvoip_phone`` (agents'
phones, one interface: ``phone.PhonePartner``), ``rtp`` (ear and mouth beside SIPp), ``audio`` and ``speech``.
"""
