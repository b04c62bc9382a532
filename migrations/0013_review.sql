-- Owner: personal-assistant. The word of a model on requests for approval.

CREATE TABLE approval_review (
  task TEXT PRIMARY KEY,               -- approvals.task
  model TEXT NOT NULL,                 -- [models.<name>] and the model's id
  prompt TEXT NOT NULL,                -- SHA-256 of all that the model was told
  verdict TEXT NOT NULL CHECK (verdict IN ('approve', 'pass')),
  words TEXT NOT NULL,                 -- its sentence, or why there is none
  cost_u INTEGER NOT NULL,
  at INTEGER NOT NULL
);
