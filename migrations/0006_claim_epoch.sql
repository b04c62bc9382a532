-- Owner: personal-assistant. A lease that was released before its claim must not claim any more: claims that name the
-- epoch of their lease need at least this one.
ALTER TABLE approvals ADD COLUMN epoch_min INTEGER NOT NULL DEFAULT 0;
