"""The only package that knows SQLAlchemy and the disk.

Faces: ``spool`` (receiving, sealing, emitting), ``submissions`` (the single writer of a set's
state), ``ledger`` (the learning accounts), ``registers`` (enterprises, channels, mandates).
"""
