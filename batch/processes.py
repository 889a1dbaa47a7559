"""``python -m batch.processes ROLE PARENT SETTINGS``: one process of ``serve``.

Started by the supervisor as a fresh interpreter, never by a fork: nothing of its memory, threads
or keys comes along.
"""

from __future__ import annotations

import os
import sys

from batch import supervisor
from batch.errors import Fault
from batch.settings import Settings

_GIVES_WAY = 5
"""Of 19: what is done ahead gives way to what is asked now, and still gets a third of a share."""


def _ready(host: str, port: int) -> None:
    """Tell whoever started ``serve`` that senders may come."""
    sys.stdout.write(f"listening on {host}:{port}\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Run one role with the supervisor's settings (JSON); a sentence on stderr when it cannot."""
    role, parent, text = arguments
    settings = Settings.model_validate_json(text)
    supervisor.die_with(int(parent))
    try:
        if role == "sftp":
            from batch.sftp_server import server

            server.main(settings, _ready)
        elif role == "dispatch":
            from batch.dispatch import process as dispatch

            dispatch.main(settings)
        elif role == "upkeep":
            os.nice(_GIVES_WAY)  # before the imports, which the others' start would wait for
            from batch.upkeep import process as upkeep

            upkeep.main(settings)
        else:
            from batch.worker import process as worker

            worker.main(settings)
    except (Fault, OSError) as fault:
        sys.stderr.write(f"fla-batch {role}: {fault}\n")
        return supervisor.CANNOT_START
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
