-- +goose Up
CREATE TABLE IF NOT EXISTS notifications (
  id         TEXT PRIMARY KEY,
  user_id    TEXT,
  event_id   TEXT,
  level      TEXT,
  title      TEXT,
  text       TEXT,
  context    TEXT,
  created_at TEXT DEFAULT (datetime('now')),
  expires_at TEXT
);
-- id is "<notification>:<user>".
CREATE TABLE IF NOT EXISTS notification_deliveries (
  id              TEXT PRIMARY KEY,
  user_id         TEXT,
  notification_id TEXT,
  delivered_at    TEXT,
  seen_at         TEXT,
  dismissed_at    TEXT
);

-- +goose Down
-- The tables stay: they are the app's, and may hold its data.
