"""The worker: takes sealed sets, gathers facts, calls the stages, commits, shows the answers.

No network here; a parser that breaks takes this process down and not the one with the host key.
"""
