"""The way of a set. Pure: bytes and facts in, verdict out. Read ``way.py`` first."""
