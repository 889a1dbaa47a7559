"""An SFTP channel for signed batches.

A sender drops a set (FI data, FS signature, GO trigger); the channel seals it, proves who
sent it, checks it, stores it once, and answers. Start reading at ``batch/ingest/way.py``.
"""

__version__ = "0.1.0"
