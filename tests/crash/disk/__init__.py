"""Failing disks: errors injected into calls of a running process, and a sender who listens."""
