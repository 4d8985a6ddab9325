-- +goose Up
CREATE INDEX IF NOT EXISTS sluice_notifications_user ON notifications (user_id, created_at, id);
CREATE INDEX IF NOT EXISTS sluice_notifications_recent ON notifications (created_at, user_id, id);

-- +goose Down
DROP INDEX IF EXISTS sluice_notifications_recent;
DROP INDEX IF EXISTS sluice_notifications_user;
