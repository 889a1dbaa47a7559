"""What a verdict rested on, in a form that is judged again years later, without the database.

Pure: documents and bytes go in, documents and findings come out. ``batch.storage.evidence`` keeps
and gathers them, ``docs/audit.md`` says what each proves.
"""
