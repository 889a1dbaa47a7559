"""The edge: asyncssh as transport, our own SFTP version 3 on it, nothing else reachable.

``protocol`` and ``home`` are pure: what the bytes say, and what may be done where. ``files`` holds
open handles, ``operations`` answers requests, ``session`` moves bytes and keeps order, ``auth``
says who comes in, ``gate`` how many, ``server`` listens. No parser of declarations and no database
write is here: what a sender does is accepted on the disk alone.
"""
