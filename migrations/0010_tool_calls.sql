-- Owner: personal-assistant. Tool calls of a run, and rules of the owner that answer them.

-- The task of the run that asks; null for work, and for a program that no run stands behind.
ALTER TABLE approvals ADD COLUMN run TEXT;
-- Digest of the tool and of the arguments that a rule or a refusal compares; null for anything else.
ALTER TABLE approvals ADD COLUMN pattern TEXT;
-- 1 for work of a sender whom only `*` lets in: no lasting rule answers its tool calls.
ALTER TABLE approvals ADD COLUMN public INTEGER NOT NULL DEFAULT 0;
CREATE INDEX approvals_by_pattern ON approvals (pattern, decided_at) WHERE pattern IS NOT NULL;
CREATE INDEX approvals_of_run ON approvals (run) WHERE run IS NOT NULL;

-- How far a button's yes reaches: `once`, `task` (the rest of the run's task), `always` (a rule).
ALTER TABLE button ADD COLUMN extent TEXT NOT NULL DEFAULT 'once';

-- A tool call that the owner allowed beforehand.
CREATE TABLE tool_rule (
  id TEXT PRIMARY KEY,
  agent TEXT NOT NULL,
  task TEXT,                           -- only for runs of this task; null: always
  tool TEXT NOT NULL,
  pattern TEXT NOT NULL,               -- as in approvals
  arguments TEXT NOT NULL,             -- JSON: the arguments that are compared
  most_u INTEGER NOT NULL,             -- the highest cost of one call
  approval TEXT NOT NULL UNIQUE,       -- the question whose answer made it
  endpoint TEXT NOT NULL,              -- of the approver who made it, whose runs it holds for; empty: the owner made it
  made_by TEXT NOT NULL,
  at INTEGER NOT NULL,
  removed_at INTEGER,
  removed_by TEXT
);
CREATE INDEX tool_rule_by_pattern ON tool_rule (pattern, agent) WHERE removed_at IS NULL;
