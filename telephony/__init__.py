"""The telephone exchange: SIP and RTP as ``calls.Phone`` and ``calls.Exchange``.

    telephony = Telephony(config, media, accounts, clock)
    await telephony.start(on_call)          # on_call(incoming) is one task for each call

``sip/`` and ``sdp.py`` know no socket; ``transport/`` is the shell around them; ``exchange.py`` is where to begin.
"""

from telephony.config import TelephonyConfig
from telephony.exchange import Telephony
from telephony.incoming import IncomingCall
from telephony.phones import Accounts, BindingStore, PhoneAccount, Phones
from telephony.sip.address import Address
from telephony.store import AccountBook, PhoneStore, with_password
from telephony.trunking import Trunk

__all__ = [
    "AccountBook", "Accounts", "Address", "BindingStore", "IncomingCall", "PhoneAccount", "PhoneStore", "Phones",
    "Telephony", "TelephonyConfig", "Trunk", "with_password",
]
