"""Whether an index serves a version, told in one word, in three seconds at most.

pip ends in the same lines and the same code whether a version was withdrawn, the index refuses the
user, something lies, or nobody is there. Of these only the last is a reason to take the copy route.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple, NoReturn, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from agentrail_runtime import credential, plain_file, web
from agentrail_runtime.channel import Distribution
from agentrail_runtime.deadline import Deadline, within
from agentrail_runtime.entry import sha256
from agentrail_runtime.errors import SourceError, UsageError, typed
from agentrail_runtime.release import deny_list, simple_index
from agentrail_runtime.release.deny_list import DenyList, printable
from agentrail_runtime.release.policy import Policy, Stage, url_problem
from agentrail_runtime.remote_index import ACCEPT
from agentrail_runtime.signing import Trust

Word: TypeAlias = Literal["OK", "WITHDRAWN", "DENIED", "TAMPER", "OUTAGE"]

MOST_SECONDS: Final = 3.0
"""How long an answer may take, from the first thought to the last."""

CODES: Final[dict[Word, int]] = {"OK": 0, "DENIED": 1, "OUTAGE": 4, "WITHDRAWN": 6, "TAMPER": 6}
"""The exit code for each word."""

# Python's own start and the printing are part of the answer, so the questions get a part of the time.
_SHARE: Final = 0.8
_MAX_PAGE: Final = 4 << 20
_MAX_FILE: Final = 64 << 20
_VARIABLES: Final = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
_NAMED: Final = re.compile(r"[\w.-]+=(?=https?:)")  # uv's way to name an index
_OWN_WORDS: Final = re.compile(
    rb"pypi:repository-version|links for\s+(?:<[^>]{0,200}>)?agentrail[-_.]+runtime", re.IGNORECASE
)
_WORDS: Final[tuple[tuple[type[web.WebError], Word], ...]] = (
    (web.MissingError, "WITHDRAWN"),
    (web.RefusedError, "DENIED"),
    (web.UntrustedError, "TAMPER"),
    (web.UnreachableError, "OUTAGE"),
)
_CLOSED: Final = "the copy route stays closed"
_NEXT: Final[dict[Word, str]] = {
    "OUTAGE": "agentrail-install --source copy --runtime-dir DIR TARGET",
    "DENIED": f"{_CLOSED}: the index is there, but does not let you in; set "
    f"{credential.USERNAME} and {credential.PASSWORD}, or use netrc or the keyring, and probe again",
    "TAMPER": f"{_CLOSED}: what answered is not to be believed; install nothing from there, and tell "
    "who runs the index",
}


class Answer(NamedTuple):
    """What a probe came to.

    `evidence` is one sentence; `next_step` is what to type or do; `files` are those of the version that
    the index serves; `notes` say what is wrong with a place that credentials are looked for in.
    """

    word: Word
    index_url: str
    version: str
    evidence: str
    next_step: str
    files: tuple[Distribution, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def code(self) -> int:
        """The exit code."""
        return CODES[self.word]


class _Judgement(Exception):  # noqa: N818 - it ends the questions, and is no error
    """The answer is another one than OK."""

    def __init__(self, word: Word, evidence: str) -> None:
        super().__init__(evidence)
        self.word = word
        self.evidence = evidence


def index_url(named: str | None, channel: Stage | None, policy: Callable[[], Policy]) -> str:
    """Return the index to ask.

    Args:
        named: the URL that the user named; it goes before all else.
        channel: the channel that the user named.
        policy: gives the policy, which tells the URLs of channels. Without URL and channel, the
            environment of pip and uv is asked before its general channel.

    Raises:
        UsageError: both were named, or the URL is none that may be asked, or there is none.
        PolicyError: the policy cannot be read.
    """
    if named is not None and channel is not None:
        raise UsageError("--index-url and --channel: expected one of them")
    if named is not None:
        return _checked(named, "--index-url")
    if channel is None:
        for name in _VARIABLES:
            if value := os.environ.get(name):
                return _checked(_NAMED.sub("", value.strip(), count=1), name)
    stage = channel or "general"
    if url := policy().channels[stage].index_url:
        return url
    raise UsageError(
        f"channels.{stage}.index_url: the policy names none",
        hint="name the index: agentrail release probe --index-url URL",
    )


def _checked(url: str, place: str) -> str:
    if problem := url_problem(url):
        raise UsageError(f"{place}: {problem}", hint="name an index such as https://host/simple/")
    return url


def probe(
    index: str,
    version: str,
    *,
    digests: Sequence[str] = (),
    denied: str | None = None,
    trust: Trust | None = None,
    seconds: float = MOST_SECONDS,
) -> Answer:
    """Return what an index says of a version of the runtime.

    Args:
        index: the base URL of its simple API (PEP 503, PEP 691).
        version: which version (PEP 440).
        digests: the SHA-256 that its files may have, in hex; none for what the index says.
        denied: a file or the URL of a signed list of denied versions, None for none.
        trust: whose signatures count for that list.
        seconds: how long the answer may take, up to `MOST_SECONDS`.

    Raises:
        UsageError: an argument is not as above, or the list is not there or cannot be checked here.
    """
    _checked(index, "index")
    normal = simple_index.normal_version(version)
    if normal is None:
        raise UsageError(f"--version: not a version: {version[:80]!r}", hint="name one, such as 1.1.0")
    told = frozenset(digest.lower() for digest in digests)
    if not all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in told):
        raise UsageError("--sha256: expected 64 hex digits", hint="sha256sum FILE")
    if not 0 < seconds <= MOST_SECONDS:
        raise UsageError(f"--timeout: expected more than 0 and at most {MOST_SECONDS:.0f} seconds")
    return _Prober(index, normal, told, Deadline(seconds * _SHARE)).answer(denied, trust or Trust())


class _Prober:
    """Asks for one version at one index, by one deadline."""

    def __init__(self, index: str, version: str, told: frozenset[str], deadline: Deadline) -> None:
        self._index = index.rstrip("/")
        self._version = version
        self._told = told
        self._deadline = deadline
        self._credential: credential.Credential | None = None

    def answer(self, denied: str | None, trust: Trust) -> Answer:
        """Return the answer.

        Raises:
            UsageError: there is no list at `denied`, or it cannot be checked here.
        """
        found = credential.find(self._index, seconds=self._deadline.left() / 2)
        self._credential = found.credential
        word: Word = "OK"
        files: tuple[Distribution, ...] = ()
        try:
            if denied is not None:
                self._refuse_denied(denied, trust)
            files, evidence = self._served()
        except _Judgement as judgement:
            word, evidence = judgement.word, judgement.evidence
        except TimeoutError:
            word, evidence = "OUTAGE", f"{web.shown(self._index)}: no answer in time"
        step = _NEXT.get(word) or self._step(word)
        return Answer(word, self._index, self._version, evidence, step, files, found.notes)

    def _step(self, word: Word) -> str:
        if word == "OK":
            return f"pip install --index-url {typed(self._index)} agentrail-runtime=={self._version}"
        unwanted = typed(f"agentrail-runtime!={self._version}")
        return (
            f"{_CLOSED}: what was withdrawn is not brought back that way; type: pip install {unwanted}"
        )

    def _get(self, url: str, limit: int, accept: str = "*/*") -> web.Response:
        """Return what is at `url`, with the credential where that is on the host of the index."""
        is_own = urlsplit(url)[:2] == urlsplit(self._index)[:2]
        try:
            return web.get(
                url,
                seconds=self._deadline.left(),
                limit=limit,
                accept=accept,
                credentials=self._credential if is_own else None,
            )
        except web.WebError as error:
            word = next(word for kind, word in _WORDS if isinstance(error, kind))
            raise _Judgement(word, error.message) from None

    # --- the list of denied versions -----------------------------------------------------------------

    def _refuse_denied(self, place: str, trust: Trust) -> None:
        listed = self._listed_anew(place, trust)
        row = listed.find(self._version)
        if row is not None:
            told = f"{self._version} was withdrawn on {row.since}: {row.reason}"
            raise _Judgement("WITHDRAWN", f"{_shown(place)}: {told}")

    def _listed_anew(self, place: str, trust: Trust) -> DenyList:
        """Return the list; a list that was replaced between list and signature is read once more."""
        try:
            return self._listed(place, trust)
        except SourceError:
            pass
        try:
            return self._listed(place, trust)
        except SourceError as error:
            raise _Judgement("TAMPER", error.message.partition("\n")[0]) from None

    def _listed(self, place: str, trust: Trust) -> DenyList:
        from agentrail_runtime.deny_list_file import judged

        is_url = "://" in place
        fetch = self._from_web if is_url else _from_file
        data = fetch(place)
        if data is None:
            self._miss(place, is_url=is_url)
        parts = urlsplit(place)
        beside = urlunsplit(parts._replace(path=f"{parts.path}.sig")) if is_url else f"{place}.sig"
        signature = fetch(beside)
        name = _shown(place)
        try:
            listed, status, reason = within(
                self._deadline, lambda: judged(data, signature, trust, name=name)
            )
        except TimeoutError:
            raise UsageError(f"{name}: its signature cannot be checked in time") from None
        if status == "unknown-signer":
            raise SourceError(f"{name}: its signature is {reason}")
        if status != "valid":
            raise UsageError(f"{name}: {reason}", hint="name who may sign with --allowed-signers FILE")
        return listed

    def _miss(self, place: str, *, is_url: bool) -> NoReturn:
        told = f"{_shown(place)}: no list of denied versions there"
        if is_url:
            raise _Judgement("TAMPER", told)
        raise UsageError(told, hint="name a list with --deny-list FILE or URL")

    def _from_web(self, url: str) -> bytes | None:
        try:
            return self._get(url, deny_list.MAX_BYTES).body
        except _Judgement as judgement:
            if judgement.word == "WITHDRAWN":
                return None
            raise

    # --- the index -----------------------------------------------------------------------------------

    def _served(self) -> tuple[tuple[Distribution, ...], str]:
        """Return the files of the version, and what proves that the index serves them."""
        rows = self._rows()
        own = [row for row in rows if simple_index.is_same_version(row.version, self._version)]
        if not own:
            raise self._withdrawn(f"lists {len(rows)} files, none of {self._version}")
        live = tuple(row for row in own if row.yanked is None)
        if not live:
            why = printable(own[0].yanked or "") or "no reason is given"
            raise self._withdrawn(f"{self._version} was yanked: {why}")
        row = self._chosen(live)
        data = self._fetched(row)
        digest = sha256(data)
        if digest != (row.sha256 or digest) or (self._told and digest not in self._told):
            told = f"{row.filename}: its bytes have the sha256 {digest}, which nobody told of"
            raise self._tampered(told)
        return (
            live,
            f"{web.shown(self._index)}: serves {row.filename}, whose bytes have sha256 {digest}",
        )

    def _withdrawn(self, told: str) -> _Judgement:
        return _Judgement("WITHDRAWN", f"{web.shown(self._index)}: {told}")

    def _tampered(self, told: str) -> _Judgement:
        return _Judgement("TAMPER", f"{web.shown(self._index)}: {told}")

    def _rows(self) -> list[Distribution]:
        page = self._get(f"{self._index}/{simple_index.PROJECT}/", _MAX_PAGE, ACCEPT)
        kind = page.headers.get("Content-Type") or ""
        try:
            files = within(self._deadline, lambda: simple_index.parse(page.body, kind, page.url))
        except simple_index.SimpleIndexError as error:
            raise self._tampered(f"answers with a page that is no index ({error})") from None
        except TimeoutError:
            raise self._tampered("answers with a page that takes too long to read") from None
        is_json = kind.partition(";")[0].strip().lower().endswith("json")
        if not files and not is_json and not _OWN_WORDS.search(page.body):
            raise self._tampered("answers with a page that is no index (a login page, perhaps)")
        return [file.distribution for file in files]

    def _chosen(self, live: Sequence[Distribution]) -> Distribution:
        """Return the file to fetch: the wheel before the source distribution, as pip has it."""
        ordered = sorted(live, key=_is_sdist)
        known = [row for row in ordered if row.sha256 in self._told]
        if self._told and not known and any(row.sha256 for row in ordered):
            raise self._tampered(f"{ordered[0].filename}: its sha256 is another one than was told")
        kinds = {_is_sdist(row) for row in known}
        for row in ordered:
            if row not in known and row.sha256 and _is_sdist(row) in kinds:
                raise self._tampered(f"{row.filename}: its sha256 is another one than was told")
        row = (known or ordered)[0]
        if not row.sha256 and not self._told:
            raise self._tampered(
                f"{row.filename}: the index tells no sha256, so nothing proves its bytes"
            )
        return row

    def _fetched(self, row: Distribution) -> bytes:
        try:
            return self._get(row.url, _MAX_FILE).body
        except UsageError as error:
            raise self._tampered(f"leads to where no file may be ({error.message})") from None


def _is_sdist(row: Distribution) -> bool:
    return not row.filename.endswith(".whl")


def _shown(place: str) -> str:
    return web.shown(place) if "://" in place else place


def _from_file(path: str) -> bytes | None:
    try:
        return plain_file.read(path, deny_list.MAX_BYTES, is_linked=True)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read: {error.strerror}", hint="name a list with --deny-list FILE or URL"
        ) from None
