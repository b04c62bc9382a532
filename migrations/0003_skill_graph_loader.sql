-- Owned by skill-graph-loader; no other service reads or writes these tables.

-- One small row per published version; the graph is in the objects it names, which are written first.
CREATE TABLE skill_graph (
  -- The first 32 characters of the digest, which name this version.
  version      TEXT PRIMARY KEY,
  -- SHA-256 of the graph's RFC 8785 JSON, lower-case hex.
  digest       TEXT NOT NULL,
  state        TEXT NOT NULL CHECK (state IN ('ready', 'withdrawn')),
  -- Order of publishing; a version published again moves to the end.
  seq          INTEGER NOT NULL,
  -- Milliseconds since the epoch.
  published_at INTEGER NOT NULL,
  message      TEXT,
  agents       INTEGER NOT NULL,
  skills       INTEGER NOT NULL,
  findings     INTEGER NOT NULL,
  -- JSON: names of the objects graph, model, index.
  objects      TEXT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX skill_graph_by_seq ON skill_graph (seq);

-- The current version: always one row.
CREATE TABLE skill_graph_current (
  id      INTEGER PRIMARY KEY CHECK (id = 1),
  version TEXT
);
INSERT INTO skill_graph_current (id, version) VALUES (1, NULL);
