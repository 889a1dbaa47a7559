"""SFTP version 3, packet by packet, against any server: cases, a speaker, and what servers state.

Nothing here knows the channel: the cases rest on draft-ietf-secsh-filexfer-02 and on OpenSSH's
PROTOCOL for its extensions. ``python -m tests.conformance --help`` says how to run it.
"""
