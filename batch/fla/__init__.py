"""The Federal Learning Account: one service of the channel. Pure; ``service.py`` is its door.

forms      a declaration's form as values, read from a valid element
schema     the verdict on one form's shape, and its defects as anomalies
rules      the business rules beyond the schema
account    the arithmetic of rights, use and carry-over
ledger     what it wants to know of the ledger and what it writes there
book       one chunk of forms applied in order, in memory
service    the Service the channel calls
"""
