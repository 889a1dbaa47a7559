"""The dispatcher: hands sets of services that judge elsewhere to their destinations.

A process beside the worker, so that a slow disk or a command that hangs holds up nobody's receipt.
No parser and no network of ours is here; a set comes here after its ACRF was shown.
"""
