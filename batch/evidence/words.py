"""``verdict.txt``: what was decided of a set, for a person, from the documents of its archive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from batch.evidence.canonical import Document
from batch.evidence.proof import NO_SOURCE
from batch.evidence.steps import STEPS, step_of
from batch.signing.verdict import Cause

_HEAD = (
    "EVIDENCE OF A SUBMISSION",
    "",
    "What the channel decided, and by what. The other files of this archive are what it rests on;",
    "fla-batch evidence verify, or docs/audit.md by hand, shows that they fit together.",
    "All instants are UTC. This archive holds personal data.",
    "",
)


def verdict(contents: Sequence[Document], proofs: Mapping[str, Document]) -> str:
    """The text. ``proofs`` are the documents that the contents name, by member."""
    lines = list(_HEAD)
    for one in contents:
        lines += _content(one, proofs)
    return "\n".join(lines) + "\n"


def _content(one: Document, proofs: Mapping[str, Document]) -> Iterator[str]:
    yield f"Set {one['stem']}, content {one['ordinal']} of that stem"
    yield f"  came from   sender {one['sender_number']}, folder {one['folder']}"
    yield f"  sealed at   {one['sealed_at']}, because of {one['trigger']}"
    yield f"  ticket      {one['ticket']}"
    yield f"  verdict     {one['verdict']} (state: {one['state']})"
    if one["accepted"] is not None:
        yield f"  forms       {one['accepted']} accepted, {one['refused']} refused"
    if one["problem"]:
        yield f"  problem     {one['problem']}"
    yield "  files       name, bytes, SHA-256"
    for file in one["files"]:
        yield f"    {file['name']}  {file['size']}  {file['sha256']}"
    yield ""
    if not one["proofs"]:
        yield f"  Signature: none was judged. {_why_none(one)}"
        yield ""
    for kept in one["proofs"]:
        yield from _signature(proofs[kept["member"]])
    yield from _found(one["findings"])
    yield from _answered(one["answers"])
    yield from _linked(one["links"])


def _why_none(one: Document) -> str:
    if one["environment"] == "S":
        return "Of a simulation nothing is kept."
    if not any(file["kind"] == "FS" for file in one["files"]):
        return "No FS came with it."
    return (
        "Nothing of it was read, its service takes none, it was decided before proofs were kept, "
        "or it was a test, which waits for no source of revocations."
    )


def _signature(proof: Document) -> Iterator[str]:
    yield f"  Signature of {proof['data']['name']}: {proof['verdict']}"
    if proof["verdict"] == "signed":
        yield f"    signed by    {proof['signer']}"
        yield f"    certificate  SHA-256 {proof['certificate']}"
        yield f"    time         judged at the sealing, {proof['sealed_at']}"
        yield f"    signed at    {proof['signing_time'] or 'not said'}, says the signer alone"
        yield f"    algorithms   {proof['digest']}, signature {proof['signature_algorithm']}"
    else:
        yield f"    cause        {proof['cause']}, code {proof['code']}"
        yield f"    in words     {proof['words']}"
    if proof["sha1_exception"]:
        yield "    exception    SHA-1 was admitted for this channel at that time"
    yield from _steps(proof)
    for found in proof.get("revocation", ()):
        yield f"    revocation of {found['certificate'][:16]}: {_revocation(found)}"
    yield f"    judged by program {proof['program']}, grounds {proof['grounds']}"
    yield ""


def _steps(proof: Document) -> Iterator[str]:
    failed = 0 if proof["verdict"] == "signed" else step_of(Cause(proof["cause"]))
    for step in STEPS:
        if failed and step.number > failed:
            outcome = "not reached"
        else:
            outcome = "NOT SHOWN" if step.number == failed else "shown"
        yield f"    {step.number} {outcome:<11} {step.words} [{step.clause}]"


def _revocation(found: Document) -> str:
    if found["found"] == NO_SOURCE:
        return "not checked: no source is configured, and the certificate names none"
    if "sha256" not in found:
        return str(found["found"])
    until = found["next_update"] or "no end said"
    return (
        f"{found['found']}, by a {found['kind']} of {found['this_update']} (until {until}), "
        f"SHA-256 {found['sha256']}"
    )


def _found(findings: Sequence[Document]) -> Iterator[str]:
    yield f"  Found: {'nothing wrong' if not findings else ''}".rstrip()
    for one in findings:
        place = f" form {one['form']}" if one["form"] else ""
        line = f" line {one['line']}" if one["line"] else ""
        yield f"    {one['error_id']} {one['severity']}{place}{line}: {one['text']}"
        if one["explanation"]:
            yield f"      {one['explanation']}"
    yield ""


def _answered(answers: Sequence[Document]) -> Iterator[str]:
    yield f"  Answered: {'nothing yet' if not answers else ''}".rstrip()
    for one in answers:
        shown = one["emitted_at"] or "not yet"
        yield f"    {one['kind']}.{one['stem']}: decided {one['decided_at']}, in OUT {shown}"
        yield f"      SHA-256 {one['sha256']}, of its FS {one['signature_sha256']}"
    yield ""


def _linked(positions: Sequence[int]) -> Iterator[str]:
    where = ", ".join(str(position) for position in positions)
    yield f"  In the chain of verdicts at: {where or 'no position: decided before it, or not yet'}"
    yield ""
