"""One file for each synthesiser."""
