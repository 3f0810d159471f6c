"""The sockets under SIP."""
