-- Owned by skill-graph-loader.

-- The version that was served when this one was published: what a rollback serves and a diff compares with. NULL where nothing was
-- served, and for what was published before this column was there: of those the one published before counts.
ALTER TABLE skill_graph ADD COLUMN parent TEXT;
