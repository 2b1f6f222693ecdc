"""What breaks things for real: processes killed, connections cut, servers stopped and filled.

One test a row of the table in ``docs/reliability.md``; `make chaos` runs them all.
"""
