"""The crash laboratory: the real channel, a real client, and what may happen to a machine.

    places    where an instance lies, and how its power is cut
    channel   the served instance: started, traced, killed
    tracing   strace: which calls change the disk, and a kill before one of them
    sender    the client; its log of what was answered OK lies outside the instance
    life      one life: finish what the last one left, check, do the acts, die somewhere
    checks    the invariants, as sender and operator see them
    points    where to die
    matrix    points x kinds of death, and the seeded bugs
    seeds     the bugs, loaded into the product's processes; the product knows nothing of them

``python -m tests.crash.lab`` runs it (``make crash``).
"""
