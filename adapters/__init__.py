"""Everything that touches the outside: spaces and networks, benchmark files, data sets, methods."""
