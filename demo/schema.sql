-- The legacy application's tables. Times are UTC text, 'YYYY-MM-DD HH:MM:SS'.
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

-- Nobody writes here: the session middleware is switched off.
CREATE TABLE IF NOT EXISTS user_sessions (
  session_id           TEXT PRIMARY KEY,
  user_id              TEXT,
  created_at           TEXT DEFAULT (datetime('now')),
  last_notification_id TEXT,
  expires_at           TEXT
);
