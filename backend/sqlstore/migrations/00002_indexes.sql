-- +goose Up
CREATE INDEX IF NOT EXISTS sluice_notifications_user ON notifications (user_id, created_at, id);
-- The condition holds for every row that is somebody's. It keeps the planner from taking this index for a poll, whose
-- statement does not say it.
CREATE INDEX IF NOT EXISTS sluice_notifications_recent ON notifications (created_at, user_id, id) WHERE length(user_id) >= 0;

-- +goose Down
DROP INDEX IF EXISTS sluice_notifications_recent;
DROP INDEX IF EXISTS sluice_notifications_user;
