-- Owner: personal-assistant. Amounts end in _u (integer micro-dollars), times are milliseconds since the epoch.

-- One request for approval. `state` is what was decided; `lapsed` is never stored, it follows from valid_until.
CREATE TABLE approvals (
  id TEXT PRIMARY KEY,
  task TEXT NOT NULL UNIQUE,
  fingerprint TEXT NOT NULL,           -- of the request: the same task with another one is a conflict
  digest TEXT NOT NULL,                -- required by the claim
  state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'rejected', 'expired', 'cancelled', 'claimed', 'consumed')),
  version INTEGER NOT NULL,            -- increases when it leaves `pending`
  kind TEXT NOT NULL,
  agent TEXT NOT NULL,
  operation TEXT,
  description TEXT NOT NULL,
  arguments TEXT,                      -- JSON
  estimated_u INTEGER NOT NULL,
  amount_u INTEGER NOT NULL CHECK (amount_u >= 0),
  declared_free INTEGER NOT NULL,      -- 1: the runner's price is declared, and 0
  reason TEXT NOT NULL,
  code TEXT,
  policies TEXT NOT NULL,              -- JSON list of rule ids
  monitoring TEXT NOT NULL,
  requested_at INTEGER NOT NULL,
  requested_by TEXT NOT NULL,          -- the scope or service that asked
  expires_at INTEGER NOT NULL,         -- end of the decision window
  decided_at INTEGER,
  decided_by TEXT,
  valid_until INTEGER,                 -- end of the time to claim it
  lease_until INTEGER,                 -- while claimed: when another claim may follow
  attempt TEXT NOT NULL,               -- nonce of the request or decision that wrote the row last
  channel TEXT,
  event_id TEXT,
  actual_u INTEGER
);
CREATE INDEX approvals_by_state ON approvals (state, expires_at);
CREATE INDEX approvals_by_request ON approvals (requested_at);
CREATE INDEX approvals_by_decision ON approvals (decided_at);

-- One chat where the owner is asked. Due at `due_at`; null means done.
CREATE TABLE delivery (
  id TEXT PRIMARY KEY,
  approval TEXT NOT NULL,
  target TEXT NOT NULL,                -- JSON, contracts::outbox::Target
  revision INTEGER NOT NULL,           -- the approval's version to show
  state TEXT NOT NULL,
  error TEXT,
  attempts INTEGER NOT NULL DEFAULT 0,
  due_at INTEGER
);
CREATE INDEX delivery_due ON delivery (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX delivery_by_approval ON delivery (approval);

-- Buttons and their meaning; only the SHA-256 of a token is stored.
CREATE TABLE button (
  token_hash TEXT PRIMARY KEY,
  approval TEXT NOT NULL,
  version INTEGER NOT NULL,
  decision TEXT NOT NULL CHECK (decision IN ('approve', 'reject')),
  delivery TEXT NOT NULL,
  channel TEXT NOT NULL,
  endpoint TEXT NOT NULL,
  chat TEXT NOT NULL,
  direct INTEGER NOT NULL
);

-- The ledger. A scope is a window and an owner: `day:2026-11-23|all`, `day:2026-11-23|agent:codegen`, `month:2026-11|all`.
CREATE TABLE budget (
  scope TEXT PRIMARY KEY,
  limit_u INTEGER NOT NULL,
  spent_u INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- Limits set by the owner through the API; they override the file's until reset. Rules: daily, monthly.
CREATE TABLE budget_rule (
  rule TEXT PRIMARY KEY,
  limit_u INTEGER NOT NULL,
  set_at INTEGER NOT NULL,
  set_by TEXT NOT NULL
);

-- Holds. A hold counts while exp > now, so it expires by itself; exp = 0 once settled. Rows are never deleted: they keep
-- the scopes for late settlements and prevent a second hold of the same task.
CREATE TABLE hold (
  task TEXT NOT NULL,
  scope TEXT NOT NULL,
  attempt TEXT NOT NULL,
  amt_u INTEGER NOT NULL CHECK (amt_u >= 0),
  exp INTEGER NOT NULL,
  PRIMARY KEY (task, scope)
) WITHOUT ROWID;
CREATE INDEX hold_live ON hold (scope, exp, amt_u);

-- Claims of approvals; another claim may follow once the lease has expired.
CREATE TABLE claim (
  token_hash TEXT PRIMARY KEY,
  task TEXT NOT NULL,
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  UNIQUE (task, seq)
);

-- Posted costs, append-only; one row per settled claim.
CREATE TABLE posted (
  task TEXT NOT NULL,
  seq INTEGER NOT NULL,
  amt_u INTEGER NOT NULL CHECK (amt_u >= 0),
  outcome TEXT NOT NULL,
  reported_u INTEGER,                  -- null: the run reported none
  unpriced INTEGER NOT NULL,
  overrun_u INTEGER NOT NULL,
  usage TEXT,                          -- JSON
  at INTEGER NOT NULL,
  nonce TEXT NOT NULL,
  PRIMARY KEY (task, seq)
);
CREATE INDEX posted_at ON posted (at);

-- Halts. Active while resumed_at is null; target is `all` or `task:<id>`.
CREATE TABLE halt (
  id TEXT PRIMARY KEY,
  target TEXT NOT NULL,
  reason TEXT NOT NULL,
  halted_by TEXT NOT NULL,
  at INTEGER NOT NULL,
  level TEXT NOT NULL CHECK (level IN ('accepted', 'stopped')),
  resumed_at INTEGER,
  resumed_by TEXT
);
CREATE UNIQUE INDEX halt_in_force ON halt (target) WHERE resumed_at IS NULL;
CREATE INDEX halt_at ON halt (at);

-- The owner's preferences and rules: one JSON row per changed one.
CREATE TABLE personal_context (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  set_at INTEGER NOT NULL,
  set_by TEXT NOT NULL
);

-- The owner's chat with the assistant, append-only.
CREATE TABLE chat_message (
  id TEXT PRIMARY KEY,
  session TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
  content TEXT NOT NULL,
  at INTEGER NOT NULL
);
CREATE INDEX chat_message_by_session ON chat_message (session, id);
