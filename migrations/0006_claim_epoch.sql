-- Owner: personal-assistant. A lease that was given up before it claimed anything must not claim any more: claims that name the epoch of
-- their lease need at least this one.
ALTER TABLE approvals ADD COLUMN epoch_min INTEGER NOT NULL DEFAULT 0;
