"""The whole way once, on a temporary instance: who plays, what they send, what must come of it.

``story`` is the play and what each step must end with; ``pki`` and ``declarations`` make its
properties; ``channel``, ``transfer`` and ``proof`` are the real programs it is played with;
``play`` sends, waits, and says where something came out otherwise. Operator's commands are given
in from above, so that they are the very ones of the command line.
"""
