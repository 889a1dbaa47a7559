"""The Federal Learning Account: one service of the channel. Pure; ``service.py`` is its door.

- ``forms``: a declaration's form as values, read from a valid element
- ``plain``: forms written as most are, told and read without an element
- ``schema``: the verdict on one form's shape, and its defects as anomalies
  (``shapes``: what the XSD says; ``defects``: what is wrong; ``position``: where)
- ``echo``: what of a refused form can be echoed
- ``rules``: the business rules beyond the schema (``committees``: the list they need)
- ``account``: the arithmetic of rights, use and carry-over
- ``ledger``: what it asks of the ledger and what it records there, as a port
- ``book``: one chunk of forms applied in order, in memory
- ``service``: the Service the channel calls
"""
