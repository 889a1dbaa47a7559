"""``python -m tests.bench.reading FILE``: parse, validate and extract a declaration, as the worker
does, in a process of its own and with nothing else loaded. Prints one line of JSON."""

from __future__ import annotations

import json
import sys
import time

from batch.fla.forms import read
from batch.fla.plain import plain_forms
from batch.fla.position import FormPlace
from batch.fla.schema import form_schema
from batch.ingest.plain import PlainForm, forms

BLOCK = 1 << 20


def main(path: str) -> None:
    """The CPU counts from where modules and schema are there: the worker has them."""
    schema, plain, count = form_schema(), plain_forms(), 0
    begun = time.process_time()
    with open(path, "rb") as stream:
        blocks = iter(lambda: stream.read(BLOCK), b"")
        for count, given in enumerate(forms(blocks, "Form", plain.pattern), 1):
            if isinstance(given, PlainForm):  # the pattern found it valid
                plain.read(given.match)
            else:
                assert not schema.anomalies(given, FormPlace("FI", count))
                read(given)
    json.dump({"cpu": time.process_time() - begun, "forms": count}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
