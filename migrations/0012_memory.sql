-- Owner: personal-assistant. What the assistant remembers of the owner's chat.

-- Statements about the owner. A newer one supersedes an older one; only the owner deletes one.
CREATE TABLE memory_fact (
  id TEXT PRIMARY KEY,                 -- mem_<ulid>
  subject TEXT NOT NULL,               -- lower case, such as: name
  text TEXT NOT NULL,
  source TEXT,                         -- chat_message.id; null when written by hand
  made_by TEXT NOT NULL CHECK (made_by IN ('owner', 'words', 'model')),
  confidence INTEGER NOT NULL CHECK (confidence BETWEEN 0 AND 100),
  pinned INTEGER NOT NULL DEFAULT 0,
  valid_from INTEGER NOT NULL,
  valid_to INTEGER,
  superseded_by TEXT
);
CREATE INDEX memory_fact_in_force ON memory_fact (subject) WHERE valid_to IS NULL;

-- The words of facts and messages, for recall. Derived: it can be made again from the rows above.
CREATE TABLE memory_doc (
  doc TEXT PRIMARY KEY,                -- memory_fact.id or chat_message.id
  words INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE memory_term (
  term TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('fact', 'message')),
  doc TEXT NOT NULL,
  n INTEGER NOT NULL,
  PRIMARY KEY (term, kind, doc)
) WITHOUT ROWID;
CREATE INDEX memory_term_of_doc ON memory_term (doc);

-- What an answer was made from, for "why do you think so?".
CREATE TABLE memory_use (
  message TEXT NOT NULL,               -- chat_message.id of the answer
  doc TEXT NOT NULL,
  PRIMARY KEY (message, doc)
) WITHOUT ROWID;

-- A summary of the older part of a conversation.
CREATE TABLE chat_summary (
  session TEXT PRIMARY KEY,
  upto TEXT NOT NULL,                  -- the last chat_message.id that it covers
  text TEXT NOT NULL,
  made_at INTEGER NOT NULL
);

-- 1: the owner had a fact forgotten that this message stated. It is shown to no model.
ALTER TABLE chat_message ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;
