-- Owned by agency-router: every decision with its inputs, its result and its feedback.

CREATE TABLE routing_decisions (
    id                TEXT PRIMARY KEY,           -- dec_<ULID>: sorts by time
    at_ms             INTEGER NOT NULL,
    source            TEXT NOT NULL,              -- who asked: operator, webhook-aggregator
    event_id          TEXT,
    exclude_key       TEXT NOT NULL DEFAULT '',   -- the excluded agents, sorted, joined by a comma
    channel           TEXT,
    user_id           TEXT,
    message           TEXT NOT NULL,
    sticky_agent      TEXT,
    public_only       INTEGER NOT NULL DEFAULT 0,
    agent             TEXT NOT NULL,
    confidence        REAL NOT NULL,
    reason            TEXT NOT NULL,
    complexity        TEXT NOT NULL,              -- simple, moderate, complex
    matched_keywords  TEXT NOT NULL,              -- JSON list of texts
    alternatives      TEXT NOT NULL,              -- JSON list of {agent, confidence}
    skill_files       TEXT NOT NULL,              -- JSON list of paths
    fallback          INTEGER NOT NULL,
    out_of_scope      INTEGER NOT NULL,
    needs_choice      INTEGER NOT NULL,
    in_scope          REAL,                       -- the gate's probability; null where no model was asked
    unknown_words     REAL,                       -- share of words that training never saw
    estimated_cost    INTEGER,                    -- micro-dollars; null when unknown
    graph_version     TEXT,
    latency_ms        REAL NOT NULL,
    correct           INTEGER,                    -- feedback: 1, 0 or nothing yet
    correct_agent     TEXT,
    feedback_at_ms    INTEGER,
    feedback_by       TEXT
);

-- The same event with the same agents excluded is decided once.
CREATE UNIQUE INDEX routing_decisions_event ON routing_decisions (event_id, exclude_key) WHERE event_id IS NOT NULL;
CREATE INDEX routing_decisions_at ON routing_decisions (at_ms);
CREATE INDEX routing_decisions_feedback ON routing_decisions (feedback_at_ms) WHERE feedback_at_ms IS NOT NULL;
