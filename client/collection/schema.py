"""The tables of a ledger, and how a row of theirs is read."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from client.answers import Prediction
from client.collection.records import STATUSES, Content, Row

VERSION: Final = 1
TABLES: Final = """
CREATE TABLE contents (
  id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, size INTEGER NOT NULL,
  predictions BLOB NOT NULL, model TEXT NOT NULL, model_digest TEXT NOT NULL,
  ms REAL NOT NULL, looks INTEGER,
  label TEXT NOT NULL, score REAL NOT NULL, -- of the most probable
  first INTEGER NOT NULL -- of its files, the one that the others are duplicates of
);
CREATE TABLE files (
  id INTEGER PRIMARY KEY, path BLOB NOT NULL UNIQUE, size INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL, status INTEGER NOT NULL, -- a place in STATUSES
  code TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '', content INTEGER
);
CREATE INDEX by_status ON files (status, id);
CREATE INDEX by_content ON files (content) WHERE content IS NOT NULL;
-- Files that were put into their places, so that it can be undone.
CREATE TABLE places (
  id INTEGER PRIMARY KEY, file INTEGER NOT NULL, source BLOB NOT NULL, target BLOB NOT NULL,
  way TEXT NOT NULL, state TEXT NOT NULL, -- begun, made, leaving
  mark BLOB NOT NULL -- by which it is known again (client.collection.places)
);
CREATE INDEX places_by_file ON places (file);
CREATE INDEX places_by_target ON places (target);
CREATE TABLE notes (name TEXT PRIMARY KEY, value BLOB NOT NULL);
"""
ROWS: Final = """
SELECT f.id, f.path, f.status, f.size, f.mtime_ns, f.code, f.reason, c.digest, c.size, c.predictions,
  c.model, c.model_digest, c.ms, c.looks, CASE WHEN c.first != f.id THEN o.path END
FROM files f LEFT JOIN contents c ON c.id = f.content LEFT JOIN files o ON o.id = c.first
"""
# Those who had the same bytes before have the new answer as well.
KEEP: Final = """
INSERT INTO contents (digest, size, predictions, model, model_digest, ms, looks, label, score, first)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (digest) DO UPDATE SET predictions = excluded.predictions, model = excluded.model,
  model_digest = excluded.model_digest, ms = excluded.ms, looks = excluded.looks,
  label = excluded.label, score = excluded.score
RETURNING id
"""
LEFT, DONE, FAILED = range(len(STATUSES))
pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(tuple[Prediction, ...]).decode


def kept(content: Content, first: int) -> tuple[Any, ...]:
    """What KEEP is given."""
    best = content.predictions[0]
    return (
        *(content.digest, content.size, pack(content.predictions)),
        *(content.model, content.model_digest, content.ms, content.looks),
        *(best.label, best.score, first),
    )


def row_of(row: Sequence[Any]) -> Row:
    """A row of ROWS."""
    number, path, status, size, mtime_ns, code, reason, *held, first = row
    content = None
    if held[0] is not None:
        digest, bytes_, predictions, model, model_digest, ms, looks = held
        content = Content(
            *(digest, bytes_, _unpack(predictions), model, model_digest, ms, looks)
        )
    return Row(
        *(number, path, STATUSES[status], size, mtime_ns, code, reason, content, first)
    )
