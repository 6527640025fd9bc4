"""Class block: the framework's text between two markers in a file of the user's."""

from __future__ import annotations

from typing import Literal

from agentrail_runtime import block as block_
from agentrail_runtime import decision as decision_
from agentrail_runtime import newline
from agentrail_runtime.decision import (
    DELETED,
    EDITED,
    LEFT,
    OVERWRITTEN,
    ActionKind,
    Change,
    Decision,
    Rules,
    Side,
    drop,
    keep,
    report,
)
from agentrail_runtime.entry import git_blob, sha256
from agentrail_runtime.errors import SourceError
from agentrail_runtime.ownership.managed import decline
from agentrail_runtime.receipt import Record

BARE = "the framework's own text, now between markers"


def decide(side: Side, rules: Rules) -> Decision:
    """Return what an install does to the block at one path.

    Raises:
        SourceError: the framework's own file has a broken block; nothing was written.
    """
    if side.entry is None:
        return Decision(action=None) if side.state.kind == "absent" else remove(side, rules)
    try:
        body, style = block_.parse(rules.texts.incoming(side.path), name=side.path)
    except block_.BlockError as error:
        raise SourceError(
            f"{side.path}: {error}",
            paths=[side.path],
            hint="fetch the bundle again, or mend its markers",
        ) from None
    data = rules.texts.current(side.path) if side.state.kind == "file" else None
    try:
        found = _find(data)
    except block_.BlockError as error:
        return _unusable(side, rules, sha256(body), str(error))
    if data is not None and side.record is None and _is_bare(data, body, found):
        return _put(side, data, body, style, BARE, is_whole=True)
    if data is not None and side.record is None and (left := _left(side, rules, found)):
        return _put(side, data, body, style, LEFT, is_whole=left == "file")
    current = sha256(found.body) if found else None
    verdict = decision_.decide(side.base, current, sha256(body))
    if verdict == "unchanged":
        record = _record(side, body, data or b"")
        return report(side, "unchanged", "block as delivered", record=record)
    if verdict in ("create", "update"):
        return _put(side, data, body, style, _reason(side, data))
    if rules.policy == "overwrite":
        reason = OVERWRITTEN if found else f"block {DELETED}; restored"
        return _put(side, data, body, style, reason, is_edited=found is not None)
    if verdict == "keep":
        return keep(side, _kept(data, found))
    return _resolve(side, rules, data, found, body, style)


def remove(side: Side, rules: Rules) -> Decision:
    """Return what an uninstall does: the block goes, every other byte stays as it is."""
    data = rules.texts.current(side.path)
    try:
        found = _find(data)
    except block_.BlockError as error:
        return keep(side, str(error))
    if found is None:
        return Decision(action=None)
    if sha256(found.body) != side.base:
        return keep(side, f"block {EDITED}")
    rest = block_.remove(data)
    if rest is None:
        return drop(side, "as delivered")
    change = Change(path=side.path, before=side.state, content=lambda: rest)
    return report(side, "update", "block removed; the rest is yours", change=change)


def check(side: Side, rules: Rules) -> Decision:
    """Return how the block at one path stands against its record."""
    try:
        found = _find(rules.texts.current(side.path))
    except block_.BlockError as error:
        return keep(side, str(error))
    if found is None or sha256(found.body) != side.base:
        return keep(side, f"block {EDITED}" if found else f"block {DELETED}")
    return report(side, "unchanged", "block as delivered")


def _is_bare(data: bytes, body: bytes, found: block_.Block | None) -> bool:
    """Tell whether the file is the framework's text without markers, as older installers left it."""
    return found is None and body.strip() != b"" and newline.to_lf(data).strip() == body.strip()


def _left(side: Side, rules: Rules, found: block_.Block | None) -> Literal["file", "block"] | None:
    """Return what an earlier release left there: the file as a whole, or the block in it."""
    if decision_.is_left(side, rules):
        return "file"
    if found is None:
        return None
    whole = block_.put(None, found.body, style=found.style)
    is_known = {sha256(whole), sha256(found.body)} & rules.known().at(side.path)
    return "block" if is_known else None


def _find(data: bytes | None) -> block_.Block | None:
    """Return the block in `data`.

    Raises:
        BlockError: no block can be found in it or put into it.
    """
    if data is None:
        return None
    found = block_.find(data)
    if found is None and not newline.is_utf8(data):
        raise block_.BlockError("not UTF-8 text")
    return found


def _reason(side: Side, data: bytes | None) -> str:
    if data is None:
        return "new"
    return "block changed by the framework" if side.base else "block added; the rest is yours"


def _kept(data: bytes | None, found: block_.Block | None) -> str:
    if data is None:
        return DELETED
    return f"block {EDITED}" if found else f"block {DELETED}"


def _put(
    side: Side,
    data: bytes | None,
    body: bytes,
    style: bytes,
    reason: str,
    *,
    kind: ActionKind | None = None,
    incoming: bytes | None = None,
    is_edited: bool = False,
    is_whole: bool = False,
) -> Decision:
    """Return the decision to put `body` in, in place of the whole file if `is_whole`.

    `incoming` is the framework's text where that is another than `body`.
    """
    text = block_.put(None if is_whole else data, body, style=style)
    if is_whole and data is not None:
        text = newline.like(data, text)
    delivered = body if incoming is None else incoming
    change = Change(
        path=side.path,
        before=side.state,
        content=lambda: text,
        is_edited=is_edited,
        delivered=lambda: delivered,
    )
    record = _record(side, delivered, text)
    return report(
        side, kind or ("create" if data is None else "update"), reason, change=change, record=record
    )


def _resolve(
    side: Side,
    rules: Rules,
    data: bytes | None,
    found: block_.Block | None,
    body: bytes,
    style: bytes,
) -> Decision:
    """Return what the policy makes of a block that both sides changed."""
    if rules.policy == "merge" and found is not None:
        from agentrail_runtime.merge import merge

        base = rules.texts.base(side.record) if side.record and side.base else None
        merged = None if base is None else merge(base, found.body, body)
        if merged is not None:
            reason = "both sides' changes merged"
            return _put(side, data, merged, style, reason, kind="merge", incoming=body, is_edited=True)
        why = "no base text to merge with" if base is None else "both sides changed the same lines"
        return report(side, "conflict", f"block: {why}", record=side.record)
    if rules.policy == "keep" or side.declined == sha256(body):
        return decline(side, sha256(body))
    why = "changed on both sides" if side.base else "not installed by agentrail"
    return report(side, "conflict", f"block {why}", record=side.record)


def _unusable(side: Side, rules: Rules, digest: str, why: str) -> Decision:
    """Return the decision on a file that no block can be put into: only ``keep`` settles it."""
    if rules.policy == "keep" or side.declined == digest:
        return decline(side, digest)
    return report(side, "conflict", why, record=side.record)


def _record(side: Side, body: bytes, text: bytes) -> Record:
    """Return the record of a block: the digest of its body, the git blob of the file around it."""
    digest, known = sha256(body), side.record
    blob = known.git_blob if known and known.sha256 == digest else None
    return Record(
        path=side.path,
        ownership="block",
        sha256=digest,
        git_blob=blob or git_blob(newline.to_lf(text)),
        size=len(body),
        extra=known.extra if known else {},
    )
