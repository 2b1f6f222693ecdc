"""A whole collection: found, classified, remembered, written down, put in its places.

Data goes one way: `sources` finds files → `ledger` remembers them → `run` reads and classifies what is
left (`local`, or a server by `client.Client`) → `ledger` → `output`, `report`, `sorting`.
"""
