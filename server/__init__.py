"""The server: settings, wiring, the journey of a call, and the command line."""
