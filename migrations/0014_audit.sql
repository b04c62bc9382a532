-- Owner: personal-assistant. Who decided and changed what.

CREATE TABLE audit (
  id TEXT PRIMARY KEY,                 -- aud_<ULID>
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  detail TEXT NOT NULL,                -- JSON
  seq INTEGER CHECK (seq > 0),         -- place in the chain; null until it is sealed
  hash TEXT                            -- SHA-256 of the entry and of the hash before it
) WITHOUT ROWID;
CREATE UNIQUE INDEX audit_chain ON audit (seq) WHERE seq IS NOT NULL;
CREATE INDEX audit_unsealed ON audit (id) WHERE seq IS NULL;

-- The end of the chain, so that a missing last entry is noticed.
CREATE TABLE audit_seal (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  seq INTEGER NOT NULL,
  hash TEXT NOT NULL
);
INSERT INTO audit_seal (one, seq, hash) VALUES (1, 0, '');
