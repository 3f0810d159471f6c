"""Queues, skills and agents: which caller gets whom, and what both are doing meanwhile."""

from routing.agents import Agent, State
from routing.policy import Rules
from routing.queues import Queue
from routing.router import Router
from routing.ticket import Ticket

__all__ = ["Agent", "Queue", "Router", "Rules", "State", "Ticket"]
