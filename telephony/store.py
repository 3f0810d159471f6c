"""Telephones in PostgreSQL: accounts, and bindings that outlive the process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import asyncpg

from storage import Database
from storage.queries import load
from telephony.phones import PhoneAccount
from telephony.sip.address import Address, Transport
from telephony.sip.auth import Algorithm, ha1
from telephony.sip.registration import Binding
from telephony.sip.uri import Uri
from telephony.trunking.tolls import Usage

_SQL = load(Path(__file__).with_name("queries.sql"))


class PhoneStore:
    """The tables ``phones`` and ``registrations``. Every method raises DatabaseAway."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def accounts(self) -> list[PhoneAccount]:
        """Every account. Raises ConfigError naming the phone whose fixed contact is no URI."""
        rows = await self._db.fetch(_SQL["all_phones"])
        return [
            PhoneAccount(
                user=row["user_name"],
                ha1_md5=row["ha1_md5"],
                ha1_sha256=row["ha1_sha256"],
                kind=row["kind"],
                number=row["number"],
                display_name=row["display_name"],
                fixed_contact=row["fixed_contact"],
            )
            for row in rows
        ]

    async def save(self, account: PhoneAccount) -> None:
        """Add an account, or replace the one with its user name."""
        await self._db.execute(
            _SQL["save_phone"],
            account.user,
            account.ha1_md5,
            account.ha1_sha256,
            account.kind,
            account.number,
            account.display_name,
            account.fixed_contact,
        )

    async def delete(self, user: str) -> None:
        """Remove an account with its bindings."""
        await self._db.execute(_SQL["delete_phone"], user)

    async def load_bindings(self, now: float) -> list[Binding]:
        """The bindings that still live; their ``expires`` is on the clock that ``now`` was read from."""
        return [
            Binding(
                user=row["user_name"],
                contact=Uri.parse(row["contact"]),
                source=_source(row),
                expires=now + row["seconds_left"],
                call_id=row["sip_call_id"],
                sequence=row["cseq"],
                q=row["q"],
                path=tuple(row["path"]),
                instance=row["instance"],
                reg_id=row["reg_id"],
            )
            for row in await self._db.fetch(_SQL["live_registrations"])
        ]

    async def save_bindings(self, bindings: Mapping[str, Sequence[Binding]], now: float) -> None:
        """Replace all bindings of these users, in one transaction."""
        rows = [
            (
                user,
                str(binding.contact),
                binding.source.host,
                binding.source.port,
                binding.source.transport,
                binding.source.listener,
                binding.call_id,
                binding.sequence,
                binding.q,
                binding.path,
                binding.instance,
                binding.reg_id,
                binding.expires - now,
            )
            for user, each in bindings.items()
            for binding in each
        ]
        async with self._db.transaction() as connection:
            await connection.execute(_SQL["forget_registrations"], list(bindings))
            await connection.executemany(_SQL["add_registration"], rows)


def _source(row: asyncpg.Record) -> Address:
    transport = Transport(row["source_transport"])
    return Address(row["source_host"], row["source_port"], transport, row["listener"])


async def outside_usage(db: Database, since: datetime, until: datetime) -> dict[str, Usage]:
    """What each agent used between two moments, from the events of calls out of the house. Raises DatabaseAway."""
    rows = await db.fetch(_SQL["outside_usage"], since, until)
    return {row["by"]: Usage(calls=row["calls"], spend=row["spend"]) for row in rows}


class AccountBook:
    """``phones.Accounts``: a snapshot of the accounts, asked without waiting."""

    def __init__(self, accounts: Sequence[PhoneAccount] = ()) -> None:
        self._accounts: dict[str, PhoneAccount] = {}
        self.replace(accounts)

    def lookup(self, user: str) -> PhoneAccount | None:
        return self._accounts.get(user)

    def replace(self, accounts: Sequence[PhoneAccount]) -> None:
        """Take over a new snapshot."""
        self._accounts = {account.user: account for account in accounts}


def with_password(account: PhoneAccount, realm: str, password: str) -> PhoneAccount:
    """The account with the hashes that stand for ``password``; the password itself is kept nowhere."""
    return replace(
        account,
        ha1_md5=ha1(Algorithm.MD5, account.user, realm, password),
        ha1_sha256=ha1(Algorithm.SHA256, account.user, realm, password),
    )
