"""Who is calling: identification by number. A number identifies; it never authenticates."""

from customers.greetings import addresses
from customers.identification import identify
from customers.numbers import parse_number
from customers.store import Customer, add_customer, customers_of

__all__ = ["Customer", "add_customer", "addresses", "customers_of", "identify", "parse_number"]
