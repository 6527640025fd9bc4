"""Any number of events, by DuckDB (https://duckdb.org): what `release.cohort` does, in SQL.

Lines that look just like the recorder writes them are taken apart in SQL. Every other line goes through
`release.event.parse`, so that there is one opinion on what an event is.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from agentrail_runtime import event_reader
from agentrail_runtime.descriptor import CHUNK
from agentrail_runtime.errors import AgentRailError
from agentrail_runtime.event_reader import EventFileError, EventFiles
from agentrail_runtime.release import event
from agentrail_runtime.release.cohort import (
    DEADLINE,
    SKEW,
    Counters,
    Evidence,
    Release,
    counter_of,
    row_of,
)
from agentrail_runtime.release.event import Event, EventError
from agentrail_runtime.release.policy import Stage

if TYPE_CHECKING:
    import duckdb

MISSING_HINT: Final = "pip install 'agentrail-runtime[events]'"

_BATCH: Final = 20_000
_STRIDE: Final = 32 * 1024
_ODD_BYTES: Final = (b"\r", b"\0", b"\1")
_ESCAPES: Final = (b"\\", b"\x7f")
_PATTERN: Final = re.compile(r"[*?\[\]{}\\]|^~")
_PARQUET: Final = ".parquet"


class MissingError(AgentRailError):
    """A package that is needed for this is not installed."""


def collect(files: EventFiles, *, stage: Stage, version: str, now: int) -> Evidence:
    """Return what the events in `files` come to.

    Args:
        files: where they are.
        stage: the channel whose installs are judged.
        version: the release, a version as PEP 440 has it.
        now: the moment to judge at, in microseconds since 1970.

    Raises:
        MissingError: DuckDB is not installed, or what reads the object store.
        EventFileError: a file cannot be read.
    """
    database = _database()
    with tempfile.TemporaryDirectory(prefix="agentrail-events-") as place:
        connection = database.connect(config={"autoinstall_known_extensions": "false"})
        try:
            connection.execute("SET preserve_insertion_order = false")
            connection.execute("SET enable_progress_bar = false")
            connection.execute("SET temp_directory = " + _quoted(os.path.join(place, "spill")))
            query = _Query(connection, place, Release(version))
            query.read(files)
            return query.evidence(stage, now)
        except database.Error as error:
            raise EventFileError(
                f"events: cannot be read by DuckDB: {_first_line(error)}",
                hint="take the file away, or mend it",
            ) from None
        finally:
            connection.close()


def _database() -> Any:
    try:
        import duckdb
    except ImportError:
        raise MissingError(
            f"events: more than {event_reader.MOST_LINES} lines, Parquet files and object stores are "
            "read by DuckDB, which is not installed",
            hint=MISSING_HINT,
        ) from None
    return duckdb


class _Query:
    """A database in memory, with a table of events."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, place: str, release: Release) -> None:
        self._connection = connection
        self._place = place
        self._release = release
        self._counts: Counter[str] = Counter()
        self._copies = 0
        self._stores: set[str] = set()
        self._run(_TABLE)

    def _run(self, sql: str, values: object = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, values).fetchall()

    def _number(self, sql: str, values: object = ()) -> int:
        return int(self._run(sql, values)[0][0] or 0)

    def read(self, files: EventFiles) -> None:
        """Fill the table."""
        lines, tables = [*files.lines], [*files.tables]
        for url in files.urls:
            for path in self._remote(url):
                (tables if path.endswith(_PARQUET) else lines).append(path)
        kinds = {path: _kind(path) for path in lines}
        for kind in ("plain", "escaped"):
            if paths := [self._local(path) for path in lines if kinds[path] == kind]:
                self._take(_LINES, paths, is_ascii=kind == "plain")
        self._add(event_reader.lines(path for path in lines if kinds[path] == "other"))
        for path in tables:
            place = path if "://" in path else self._local(path)
            self._take(self._rows_as_lines(place), [place], is_ascii=False)

    def _take(self, source: str, paths: list[str], *, is_ascii: bool) -> None:
        """Take in a `source` of lines, SQL over `paths`; whether all is ASCII is known, or asked."""
        sql = _TAKE.replace("SOURCE", source).replace("IS_ASCII", "true" if is_ascii else _IS_ASCII)
        self._run(sql, [paths])
        reading = self._connection.cursor()
        reading.execute("SELECT odd FROM event WHERE odd IS NOT NULL")
        while rows := reading.fetchmany(_BATCH):
            self._add(line.encode() for (line,) in rows)
        reading.close()
        self._run("DELETE FROM event WHERE odd IS NOT NULL")

    def _add(self, lines: Iterable[bytes]) -> None:
        """Take in lines one by one, through the parser."""
        batch: list[Event] = []
        for line in lines:
            if not line.strip():
                continue
            try:
                found, unknown = event.parse(line)
            except EventError as error:
                self._counts[counter_of(error)] += 1
                continue
            self._counts["unknown_fields"] += bool(unknown)
            batch.append(found)
            if len(batch) == _BATCH:
                self._insert(batch)
                batch.clear()
        self._insert(batch)

    def _insert(self, batch: Sequence[Event]) -> None:
        rows = [(found.event_id, found.phase, *row_of(found)[2:]) for found in batch]
        if rows:
            self._run(_INSERT, [[*column] for column in zip(*rows, strict=True)])

    def _rows_as_lines(self, path: str) -> str:
        """Return the SQL of the rows of a Parquet file, as lines of JSON with the fields in order."""
        found = {name: str(kind) for name, kind, *_ in self._run(f"DESCRIBE {_TABLE_SOURCE}", [[path]])}
        known = [name for name in _FIELDS if name in found]
        names = [*known, *sorted(found.keys() - {*known})]
        pairs = ", ".join(f"{_quoted(name)}: {_as_json(name, found[name])}" for name in names)
        return (
            f"(SELECT to_json({{{pairs}}})::VARCHAR AS line {_TABLE_SOURCE.removeprefix('SELECT * ')})"
        )

    def _local(self, path: str) -> str:
        """Return a path that DuckDB does not take for a pattern, or for a place of another kind."""
        if not _PATTERN.search(path):
            return path
        try:
            with event_reader.open_plain(path) as file:
                return self._staged(file, path)
        except OSError as error:
            raise event_reader.unreadable(path, error) from None

    def _staged(self, file: Any, name: str) -> str:
        """Copy a file to the disk, under a plain name."""
        self._copies += 1
        place = os.path.join(
            self._place, f"{self._copies}{_PARQUET if name.endswith(_PARQUET) else ''}"
        )
        with open(place, "wb") as copy:
            shutil.copyfileobj(file, copy, CHUNK)
        return place

    def _remote(self, url: str) -> list[str]:
        """Return the files at a URL: Parquet where it is, lines as copies on the disk.

        Raises:
            MissingError: fsspec is not installed, or its package for this kind of URL.
            EventFileError: the store cannot be read.
        """
        try:
            from fsspec.core import url_to_fs  # type: ignore[import-untyped]  # it has no types

            system, root = url_to_fs(url)
            paths = [root] if system.isfile(root) else sorted(system.find(root))
            if not paths:
                raise FileNotFoundError("nothing is there")
            wanted = [path for path in paths if path == root or path.endswith((".jsonl", _PARQUET))]
            return [self._fetched(system, path) for path in wanted]
        except ImportError as error:
            message = f"{url}: cannot be read without another package: {_first_line(error)}"
            raise MissingError(message, hint=f"{MISSING_HINT}, or the package that it names") from None
        except Exception as error:  # every file system of fsspec has its own
            message = f"{url}: cannot be read: {_first_line(error)}"
            raise EventFileError(
                message, paths=[url], hint="look at the address and at your access to it"
            ) from None

    def _fetched(self, system: Any, path: str) -> str:
        url = str(system.unstrip_protocol(path))
        if not path.endswith(_PARQUET) or _PATTERN.search(url):
            with system.open(path, "rb") as file:
                return self._staged(file, path)
        protocol = url.partition("://")[0]
        if protocol not in self._stores:
            self._stores.add(protocol)
            self._connection.register_filesystem(system)
        return url

    def evidence(self, stage: Stage, now: int) -> Evidence:
        """Return what the table comes to."""
        self._choose_versions()
        events = self._number("SELECT count(*) FROM event")
        relevant = self._number("SELECT count(*) FROM relevant")
        duplicates, contradictory = self._without_duplicates()
        asked = {"stage": stage, "now": now}
        latest = str(now + SKEW)
        self._run(_USED.replace("STAGE", _quoted(stage)).replace("LATEST", latest))
        for name in ("run", "attempt"):
            self._run(_REDUCTION[name], {"now": now, "deadline": DEADLINE} if name == "attempt" else {})
        faults = sum(self._counts[name] for name in ("torn", "bad_values", "unknown_schema"))
        return Evidence(
            attempts=tuple(ok for (ok,) in self._run(_ATTEMPTS)),
            installs=tuple(self._run(_INSTALLS)),
            tampered=self._number("SELECT count(*) FROM relevant WHERE code IN (6, 7) AND is_same"),
            error_codes=dict(self._run(_CODES)),
            counters=Counters(
                lines=events + faults,
                events=events,
                other_versions=events - relevant,
                duplicates=duplicates,
                contradictory=contradictory,
                other_channels=self._number(_OTHER_CHANNELS, {"stage": stage}),
                in_future=self._number(_IN_FUTURE, {**asked, "skew": SKEW}),
                finish_before_start=self._number("SELECT count(*) FROM run WHERE f < s"),
                pending=self._number("SELECT count(*) FROM attempt WHERE ok IS NULL"),
                **self._counts,
            ),
        )

    def _choose_versions(self) -> None:
        """Leave what is about the version, or of a repository that leaves it."""
        texts = [text for (text,) in self._run(_VERSIONS)]
        same = [text for text in texts if self._release.is_same(text)]
        older = [text for text in texts if self._release.is_older(text)]
        view = _RELEVANT.replace("SAME", _listed(same)).replace("OLDER", _listed(older))
        self._run(view)

    def _without_duplicates(self) -> tuple[int, int]:
        """Leave one row of each event; return how many say the same again, and something else."""
        if not self._number(
            "SELECT count(*) FROM (SELECT 1 FROM relevant GROUP BY id, phase HAVING count(*) > 1)"
        ):
            return 0, 0
        rows, contents, events = self._run(_DUPLICATES)[0]
        self._run(_DISTINCT)
        self._run("CREATE OR REPLACE VIEW relevant AS SELECT * FROM single")
        return rows - contents, contents - events


_FIELDS: Final = tuple(sorted(Event._fields))
_NUMBERS: Final = ("duration_ms", "error_code")
_OPTIONAL: Final = ("channel", "from_version", "os", "outcome", "python", "route")


def _quoted(text: str) -> str:
    """Return `text` as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def _listed(texts: Sequence[str]) -> str:
    """Return the literals of a list, and of what no version is, since SQL has no empty list."""
    return ", ".join(map(_quoted, [*texts, "\n"]))


def _as_json(name: str, kind: str) -> str:
    """Return the SQL of a column of a Parquet file, as JSON has it."""
    column = '"' + name.replace('"', '""') + '"'
    if kind.startswith("TIMESTAMP"):
        return f"strftime(make_timestamp(epoch_us({column})), '%Y-%m-%dT%H:%M:%S.%fZ')"
    if kind in ("DOUBLE", "FLOAT"):  # what some writers make of whole numbers with nulls among them
        whole = f"try_cast({column} AS BIGINT)"
        return f"CASE WHEN {column} = {whole} THEN to_json({whole}) ELSE to_json({column}) END"
    return column


def _rebuilt() -> str:
    """Return the SQL of the line that the recorder writes for a struct `v`."""
    parts: list[str] = []
    for name in _FIELDS:
        parts.append(_quoted(f'{"," if parts else "{"}"{name}":'))
        if name in _NUMBERS:
            parts.append(f"coalesce(v.{name}, 'null')")
        elif name in _OPTIONAL:
            parts.append(f"""coalesce('"' || v.{name} || '"', 'null')""")
        else:
            parts += ["""'"'""", f"v.{name}", """'"'"""]
    return f"concat({', '.join(parts)}, '}}')"


_SHAPE: Final = "{" + ",".join(f'"{name}":"VARCHAR"' for name in _FIELDS) + "}"
_LINES: Final = (
    "(SELECT line FROM read_csv($1, columns = {'line': 'VARCHAR'}, header = false, "
    "auto_detect = false, delim = '\x01', quote = '', escape = '', comment = '', compression = 'none', "
    "hive_partitioning = false, max_line_size = 1000000) WHERE line IS NOT NULL)"
)

_TABLE_SOURCE: Final = (
    "SELECT * FROM read_parquet($1, union_by_name = true, hive_partitioning = false, filename = false)"
)

_IS_EVENT: Final = f"""
line = {_rebuilt()} AND v.schema_version = '1.0'
AND v.op IN ('install', 'rollback', 'uninstall') AND v.phase IN ('started', 'finished')
AND (v.outcome IN ('ok', 'failed', 'rolled_back') OR v.outcome IS NULL AND v.phase = 'started')
AND coalesce(v.channel, 'pilot') IN ('internal', 'pilot', 'general')
AND coalesce(v.route, 'copy') IN ('package', 'copy')
AND strlen(v.event_id) BETWEEN 1 AND 128 AND strlen(v.repo) BETWEEN 1 AND 128
AND strlen(v.version) BETWEEN 1 AND 64 AND strlen(coalesce(v.from_version, '-')) BETWEEN 1 AND 64
AND strlen(coalesce(v.os, '-')) BETWEEN 1 AND 64 AND strlen(coalesce(v.python, '-')) BETWEEN 1 AND 64
AND (v.error_code IS NULL OR try_cast(v.error_code AS UTINYINT)::VARCHAR = v.error_code)
AND (v.duration_ms IS NULL OR strlen(v.duration_ms) <= 12
  AND try_cast(v.duration_ms AS UBIGINT)::VARCHAR = v.duration_ms)
AND strlen(v.ts) = 20 AND v.ts = replace(try_cast(v.ts AS TIMESTAMP)::VARCHAR, ' ', 'T') || 'Z'
"""
"""Whether a line is one that the recorder may have written, if all is ASCII and nothing is escaped."""

_IS_ASCII: Final = (
    "NOT contains(line, chr(92)) AND NOT contains(line, chr(127)) AND strlen(line) = length(line)"
)
"""Whether that is so; files of lines are looked at as a whole, which takes a tenth of the time."""

_TABLE: Final = """
CREATE TABLE event (
  odd VARCHAR, id VARCHAR, phase VARCHAR, moment BIGINT, repo VARCHAR, channel VARCHAR, version VARCHAR,
  from_version VARCHAR, op VARCHAR, outcome VARCHAR, code SMALLINT
)
"""

_TAKE: Final = f"""
INSERT INTO event SELECT
  CASE WHEN {_IS_EVENT} AND IS_ASCII THEN NULL ELSE line END,
  v.event_id, v.phase, epoch_us(try_cast(v.ts AS TIMESTAMP)), v.repo,
  coalesce(v.channel, ''), v.version, coalesce(v.from_version, ''), v.op, coalesce(v.outcome, ''),
  coalesce(try_cast(v.error_code AS UTINYINT)::SMALLINT, -1)
FROM (SELECT line, TRY(json_transform(line, '{_SHAPE}')) AS v FROM SOURCE)
"""  # noqa: S608  # of constants alone

_INSERT: Final = """
INSERT INTO event SELECT NULL, unnest($1::VARCHAR[]), unnest($2::VARCHAR[]), unnest($3::BIGINT[]),
  unnest($4::VARCHAR[]), unnest($5::VARCHAR[]), unnest($6::VARCHAR[]), unnest($7::VARCHAR[]),
  unnest($8::VARCHAR[]), unnest($9::VARCHAR[]), unnest($10::SMALLINT[])
"""

_VERSIONS: Final = "SELECT DISTINCT version FROM event UNION SELECT DISTINCT from_version FROM event"

_RELEVANT: Final = """
CREATE VIEW relevant AS
SELECT * EXCLUDE (odd), version IN (SAME) AS is_same,
  op = 'rollback' OR op = 'install' AND version IN (OLDER) AS is_back
FROM event WHERE version IN (SAME) OR from_version IN (SAME)
"""

_CONTENT: Final = "moment, repo, channel, version, from_version, op, outcome, code"

_DUPLICATES: Final = f"""
SELECT sum(rows), count(*), count(DISTINCT (id, phase))
FROM (SELECT id, phase, count(*) AS rows FROM relevant GROUP BY id, phase, {_CONTENT})
"""  # noqa: S608  # of constants alone

_DISTINCT: Final = f"""
CREATE TABLE single AS SELECT * FROM relevant QUALIFY row_number() OVER (
  PARTITION BY id, phase
  ORDER BY code NOT IN (6, 7), outcome IN ('', 'ok'), {_CONTENT}
) = 1
"""  # noqa: S608  # of constants alone

_OTHER_CHANNELS: Final = "SELECT count(*) FROM relevant WHERE channel NOT IN ('', $stage)"

_IN_FUTURE: Final = (
    "SELECT count(*) FROM relevant WHERE channel IN ('', $stage) AND moment > $now + $skew"
)

_USED: Final = """
CREATE VIEW used AS SELECT * FROM relevant WHERE channel IN ('', STAGE) AND moment <= LATEST
"""

_CODES: Final = """
SELECT code, count(*) FROM used WHERE phase = 'finished' AND code > 0 AND is_same
GROUP BY code ORDER BY code
"""

_REDUCTION: Final = {
    "run": """
CREATE TABLE run AS
SELECT repo, id, min(moment) FILTER (phase = 'started') AS s,
  min(moment) FILTER (phase = 'finished') AS f,
  bool_or(outcome = 'ok') FILTER (phase = 'finished') AS ok
FROM used WHERE op = 'install' AND is_same GROUP BY repo, id
""",
    "attempt": """
CREATE TABLE attempt AS
WITH half AS (
  SELECT repo, id, s, f, ok, coalesce(s, f) AS moment, row_number() OVER line AS number,
    lead(f) OVER line AS next_f, lead(ok) OVER line AS next_ok
  FROM run WHERE s IS NULL OR f IS NULL
  WINDOW line AS (PARTITION BY repo ORDER BY coalesce(s, f), s IS NULL, id)
), candidate AS (
  SELECT repo, id, s AS moment, s, f, ok FROM run WHERE s IS NOT NULL AND f IS NOT NULL
  UNION ALL
  SELECT repo, id, moment, s, CASE WHEN s IS NULL THEN f ELSE next_f END,
    CASE WHEN s IS NULL THEN ok ELSE next_ok END
  FROM half WHERE number = 1
), first AS (
  SELECT repo, s, f, ok FROM candidate
  QUALIFY row_number() OVER (PARTITION BY repo ORDER BY moment, id) = 1
)
SELECT repo,
  CASE WHEN s IS NULL THEN f WHEN f <= s + $deadline THEN greatest(s, f) ELSE s + $deadline END
    AS known,
  CASE WHEN s IS NULL OR f <= s + $deadline THEN ok WHEN s + $deadline > $now THEN NULL ELSE false END
    AS ok
FROM first
""",
}

_ATTEMPTS: Final = "SELECT ok FROM attempt WHERE ok IS NOT NULL ORDER BY known, repo"

_INSTALLS: Final = """
WITH arrival AS (
  SELECT repo, min(moment) AS moment FROM used
  WHERE phase = 'finished' AND outcome = 'ok' AND op = 'install' AND is_same GROUP BY repo
), leaving AS (
  SELECT repo, max(moment) AS moment FROM used
  WHERE phase = 'finished' AND outcome = 'ok' AND is_back
    AND NOT (op = 'install' AND is_same) GROUP BY repo
)
SELECT arrival.moment, coalesce(leaving.moment < arrival.moment, true)
FROM arrival LEFT JOIN leaving USING (repo) ORDER BY arrival.moment, arrival.repo
"""


def _kind(path: str) -> Literal["plain", "escaped", "other"]:
    """Return how the lines of a file are to be read.

    DuckDB finds the same lines as Python where all is ASCII, without characters that mean something to
    a reader of CSV, and no line is very long. Where nothing is escaped either, no line need be asked.
    """
    is_escaped = False
    for chunk in event_reader.chunks(path):
        if not chunk.isascii() or any(byte in chunk for byte in _ODD_BYTES):
            return "other"
        starts = range(0, len(chunk) - _STRIDE + 1, _STRIDE)
        if any(chunk.find(b"\n", start, start + _STRIDE) < 0 for start in starts):
            return "other"
        is_escaped = is_escaped or any(byte in chunk for byte in _ESCAPES)
    return "escaped" if is_escaped else "plain"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
