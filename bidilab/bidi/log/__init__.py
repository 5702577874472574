"""The event log: journal, rows, and the tables read from them."""
