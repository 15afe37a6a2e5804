"""Pure modules: no sockets, no database, no chain."""
