-- Owner: personal-assistant. The names under which approvers are shown.

-- As the approver's platform gave it when they last decided. Never a proof of anything: the id decides.
CREATE TABLE person (
  actor TEXT PRIMARY KEY,              -- telegram:main:700100200
  name TEXT NOT NULL,
  named_at INTEGER NOT NULL
);
