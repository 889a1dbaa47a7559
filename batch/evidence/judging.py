"""The checks of what an archive tells: who signed it, the set, its verdicts, answers and links."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import BinaryIO

from batch.evidence import grounds, layout, links
from batch.evidence.canonical import Document, digest, read_instant
from batch.evidence.checks import Case, Check, Given, Outcome, examine
from batch.evidence.grounds import Grounds, Registered, Unreadable
from batch.evidence.links import Link
from batch.evidence.proof import outcome
from batch.signing import encoding, verification
from batch.signing.certificate import CertificateError, SigningCertificate, read, read_der
from batch.signing.policy import SignaturePolicy
from batch.signing.signed_data import SignedData, read_signed_data
from batch.signing.verdict import NotSigned, Signed, Undecided
from batch.signing.verification import Verifier

_ITSELF = "as the archive itself says; give --institution to be sure whose it is"


def verify(stream: BinaryIO, given: Given) -> list[Check]:
    """Every check of the archive in ``stream``, in the order an auditor asks."""
    return examine(stream, given, (_index_signature, _contents, _chain))


# --- the institution ------------------------------------------------------------------------


def _index_signature(case: Case) -> None:
    """The index is the institution's; no instant is claimed, so none is judged."""
    about, name = layout.INDEX_SIGNATURE, "signature of the index"
    with case.checking(name, about):
        der = case.bytes_of(about)
        own = read(case.bytes_of(layout.INSTITUTION))
        if _embedded(der) != (own.der,):
            case.failed(name, about, f"holds another certificate than {layout.INSTITUTION}")
            return
        believed = [c for c in case.given.institution if c.der == own.der]
        if case.given.institution and not believed:
            case.failed(name, about, f"was made with the certificate of {own.subject}, not given")
            return
        found = _proved(der, own, own.not_before, [case.bytes_of(layout.INDEX)])
        if isinstance(found, Signed):
            case.ok(name, about, f"by {own.subject}" + ("" if believed else f", {_ITSELF}"))
        else:
            case.failed(name, about, found.words)


def _proved(
    fs: bytes, certificate: SigningCertificate, at: datetime, blocks: Iterable[bytes]
) -> Signed | NotSigned | Undecided:
    """Whether ``fs`` is the signature of this very certificate over ``blocks``."""
    policy = SignaturePolicy((certificate,), unsigned_attributes=True, max_bytes=1 << 20)
    begun = verification.begin(fs, [Registered(certificate.der)], policy, at)
    if not isinstance(begun, Verifier):
        return begun
    for block in blocks:
        begun.update(block)
    return begun.finish()


def _embedded(fs: bytes) -> tuple[bytes, ...]:
    der = encoding.decode(fs, 1 << 20)
    data = der if isinstance(der, NotSigned) else read_signed_data(der)
    return data.certificates if isinstance(data, SignedData) else ()


# --- the contents ---------------------------------------------------------------------------


def _contents(case: Case) -> None:
    for ordinal in case.index["contents"]:
        name = layout.content(int(ordinal), "content.json")
        with case.checking("content", name):
            one = case.document(name)
            _manifest(case, one, int(ordinal))
            _signatures(case, one)
            for answer in one["answers"]:
                _answer(case, answer)


def _manifest(case: Case, one: Document, ordinal: int) -> None:
    """The files are those that were sealed."""
    about = layout.content(ordinal, "manifest.json")
    with case.checking("sealed files", about):
        sealed = json.loads(case.bytes_of(about))
        told = [(f["name"], f["size"], f["sha256"]) for f in one["files"]]
        if [(f["name"], f["size"], f["sha256"]) for f in sealed["files"]] != told:
            raise Unreadable("the manifest lists other files than content.json")
        facts = ("channel", "folder", "stem", "ordinal")
        own = (one["sender_number"], one["folder"], one["stem"], one["ordinal"])
        if tuple(sealed[name] for name in facts) != own:
            raise Unreadable("the manifest is that of another set")
        if datetime.fromisoformat(sealed["sealed_at"]) != read_instant(one["sealed_at"]):
            raise Unreadable("the manifest tells another instant of sealing")
        for file in one["files"]:
            if _sha256(case, file["member"]) != file["sha256"]:
                raise Unreadable(f"{file['name']} is not what was sealed")
        case.ok("sealed files", about, f"{len(told)} files, sealed at {one['sealed_at']}")


def _signatures(case: Case, one: Document) -> None:
    if not one["proofs"]:
        words = "no signature was judged, so that there is nothing to judge again"
        case.say("verdict", one["key"], Outcome.NOT_CHECKED, words)
    for kept in one["proofs"]:
        with case.checking("verdict", str(kept["member"])):
            _verdict(case, one, kept)


def _verdict(case: Case, one: Document, kept: Document) -> None:
    """The FS over the FI again, by the grounds of the archive, at the sealing: the same comes."""
    about = kept["member"]
    proof = case.document(about)
    if proof["sealed_at"] != one["sealed_at"]:
        raise Unreadable("it was judged at another instant than that of the sealing")
    files = {file["name"]: file for file in one["files"]}
    data, fs = files[proof["data"]["name"]], files[proof["signature"]["name"]]
    for told, file in ((proof["data"], data), (proof["signature"], fs)):
        if told["sha256"] != file["sha256"]:
            raise Unreadable(f"it is about another {file['name']}")
    judged_by = _grounds(case, proof)
    at = read_instant(proof["sealed_at"])
    found = _judged(case, (data["member"], fs["member"]), judged_by, at)
    if isinstance(found, Undecided):
        case.failed("verdict", about, f"cannot be given again: {found.words}")
        return
    again = outcome(found)
    if differs := _difference(proof, again):
        case.failed("verdict", about, differs)
        return
    case.ok("verdict", about, _in_words(found))
    if isinstance(found, Signed):
        _trust(case, (data["member"], fs["member"]), judged_by, at)


def _grounds(case: Case, proof: Document) -> Grounds:
    member = layout.grounds(proof["grounds"])
    if digest(case.bytes_of(member)) != proof["grounds"]:
        raise Unreadable(f"{member} is not what its name says")
    document = case.document(member)
    held = {}
    for name, kind in grounds.named(document).items():
        piece = case.bytes_of(layout.material(kind, name))
        if digest(piece) != name:
            raise Unreadable(f"{layout.material(kind, name)} is not what its name says")
        held[name] = piece
    return grounds.read(document, held)


def _judged(
    case: Case, members: tuple[str, str], judged_by: Grounds, at: datetime
) -> Signed | NotSigned | Undecided:
    data, fs = members
    begun = verification.begin(
        case.bytes_of(fs)[: judged_by.policy.max_bytes + 1],
        judged_by.certificates,
        judged_by.policy,
        at,
        judged_by.sources,
    )
    if not isinstance(begun, Verifier):
        return begun
    for block in case.blocks_of(data):
        begun.update(block)
    return begun.finish()


def _difference(proof: Document, again: Document) -> str | None:
    """What the proof says otherwise; a later program may put the words of a refusal better."""
    for name in sorted(again):
        if name != "words" and proof.get(name) != again[name]:
            return f"judged again, its {name} is {again[name]!r}; recorded was {proof.get(name)!r}"
    return None


def _in_words(found: Signed | NotSigned) -> str:
    if isinstance(found, Signed):
        return f"signed by {found.subject}, as recorded"
    return f"refused with cause {found.cause}, as recorded"


def _trust(case: Case, members: tuple[str, str], judged_by: Grounds, at: datetime) -> None:
    """The same by the CAs that the auditor trusts himself."""
    if not case.given.trust:
        words = "by the CAs of the archive; give --trust to judge by your own"
        case.say("trust", members[0], Outcome.NOT_CHECKED, words)
        return
    policy = judged_by.policy
    between = (*policy.intermediates, *(c for c in policy.trust if c not in case.given.trust))
    by_his = replace(policy, trust=case.given.trust, intermediates=between)
    found = _judged(case, members, replace(judged_by, policy=by_his), at)
    if isinstance(found, Signed):
        anchor = read_der(found.chain[-1]).subject
        case.ok("trust", members[0], f"its path ends in {anchor}, which was given")
    else:
        case.failed("trust", members[0], f"not by the CAs that were given: {found.words}")


# --- answers --------------------------------------------------------------------------------


def _answer(case: Case, answer: Document) -> None:
    about = answer["data"]
    with case.checking("answer", about):
        for member, wanted in ((about, "sha256"), (answer["signature"], "signature_sha256")):
            if _sha256(case, member) != answer[wanted]:
                raise Unreadable(f"{member} is not what was decided")
        if case.reader.members[answer["trigger"]].size:
            raise Unreadable(f"{answer['trigger']} is not empty")
        fs, at = case.bytes_of(answer["signature"]), read_instant(answer["decided_at"])
        given = case.given.institution
        words = "nobody's certificate is in it"
        for certificate in given or _signers(fs):
            found = _proved(fs, certificate, at, case.blocks_of(about))
            if isinstance(found, Signed):
                whose = found.subject if given else f"{found.subject}, as the archive itself says"
                case.ok("answer", about, f"decided at {answer['decided_at']}, signed by {whose}")
                return
            words = found.words
        case.failed("answer", about, words)


def _signers(fs: bytes) -> Iterator[SigningCertificate]:
    """Those an answer carries, where the auditor brought none."""
    for der in _embedded(fs):
        try:
            yield read_der(der)
        except CertificateError:
            continue


# --- the chain ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Held:
    """The links of an archive by position."""

    links: dict[int, Link]

    @classmethod
    def of(cls, case: Case) -> _Held:
        found = {}
        for name in case.reader.members:
            if name.startswith("chain/"):
                position = int(name.removeprefix("chain/").removesuffix(".txt"))
                if name != layout.link(position):
                    raise Unreadable(f"{name} is no name of a link")
                found[position] = links.read(position, case.bytes_of(name))
        return cls(found)


def _chain(case: Case) -> None:
    held = _Held.of(case)
    for ordinal in case.index["contents"]:
        one = case.document(layout.content(int(ordinal), "content.json"))
        if not one["links"]:
            words = "no verdict of it is in the chain: none yet, or from before there was one"
            case.say("chain", one["key"], Outcome.NOT_CHECKED, words)
        for position in one["links"]:
            about = layout.link(position)
            with case.checking("chain", about):
                _link(case, held, position, one)
        with case.checking("chain", one["key"]):
            _all_answers_are_linked(held, one)


def _link(case: Case, held: _Held, position: int, one: Document) -> None:
    link = held.links[position]
    if link.fault is not None:
        raise Unreadable(link.fault)
    neighbours = _neighbours(case, held, link)
    body = link.document()
    manifest = digest(case.bytes_of(layout.content(one["ordinal"], "manifest.json")))
    if body["key"] != one["key"] or body["ticket"] != one["ticket"]:
        raise Unreadable("it is the link of another set")
    if body["manifest"] not in (None, manifest):
        raise Unreadable("it was decided on other files than those of the manifest")
    _same_proofs(case, body, one)
    if body["answer"] is not None:
        answers = {answer["stem"]: answer for answer in one["answers"]}
        own = answers[body["answer"]["stem"]]
        if any(own[name] != body["answer"][name] for name in ("sha256", "signature_sha256")):
            raise Unreadable(f"{own['data']} is not the answer that was decided")
    case.ok("chain", layout.link(position), f"{body['state']} at {body['at']}, {neighbours}")


def _neighbours(case: Case, held: _Held, link: Link) -> str:
    """The link before must be there, and the one after unless this was the last of all."""
    before, after = held.links[link.position - 1], held.links.get(link.position + 1)
    if not links.joined(before, link):
        raise Unreadable("it does not follow the link before it")
    if after is not None:
        if not links.joined(link, after):
            raise Unreadable("the link after it does not follow it")
        return f"joined to {before.position} and {after.position}"
    if case.index["head"] != {"position": link.position, "digest": link.digest}:
        raise Unreadable("the link after it is missing")
    return f"joined to {before.position}; the last when the archive was written"


def _same_proofs(case: Case, body: Document, one: Document) -> None:
    told = {kept["part"]: digest(case.bytes_of(kept["member"])) for kept in one["proofs"]}
    if body["proofs"] and body["proofs"] != told:
        raise Unreadable("it was decided by other proofs than those of the archive")


def _all_answers_are_linked(held: _Held, one: Document) -> None:
    """Where a set has links at all, each of its proofs and answers stands in one."""
    bodies = [held.links[position].document() for position in one["links"]]
    if not bodies:
        return
    told = {body["answer"]["stem"] for body in bodies if body["answer"] is not None}
    missing = [answer["data"] for answer in one["answers"] if answer["stem"] not in told]
    if missing:
        raise Unreadable(f"{missing[0]} stands in no link")
    if one["proofs"] and not any(body["proofs"] for body in bodies):
        raise Unreadable("its proofs stand in no link")


def _sha256(case: Case, member: str) -> str:
    """Of a member, by the index, which every member was compared with."""
    for one in case.index["members"]:
        if one["name"] == member:
            return str(one["sha256"])
    raise Unreadable(f"{member} is not in the archive")
