package sqlstore

import (
	"fmt"
	"time"

	"sluice/backend"
)

// The app's tables, as n and d in the statements.
const (
	notifications = "notifications"
	deliveries    = "notification_deliveries"
)

// dialect is how one database, with the column types that the app chose, says
// what the statements need. All but the last fields are SQL.
type dialect struct {
	// Columns as they are compared and ordered: as backend.Key.Compare does.
	user, created, id string
	// Columns as they are read: text or times, whatever their types.
	createdOut, idOut, userOut         string
	event, level, title, text, context string
	expires, seen, dismissed           string
	join                               string // adds the delivery d to a notification n
	live                               string // n is not over at the moment $3
	odd                                string // created_at of n cannot be ordered
	owned                              string // n is somebody's
	userCast, idCast, createdCast      string // types of parameters
	unlimited                          any    // the limit that is none
	owner                              func(user string) (any, bool)
	itemID                             func(id string) (any, bool) // reports false where no row can have it
	moment, now                        func(at int64) any          // a moment as created_at, and as $3
	place                              func(k backend.Key) (at, id any)
	names                              func(user string) []string // how Callers may name the owner of a row
}

// statements are the SQL of a dialect. $1 is the user; items have the limit in
// $2 and now in $3, and what their condition needs from $4 on.
type statements struct {
	dialect
	keys, span, after, before, newest, find string
	unordered                               string // keys of rows that have none
	recent                                  string // the rows at or after $1, of all users
}

func (d dialect) statements() *statements {
	const oldestFirst, newestFirst = "", " DESC"
	user := d.user + " = $1" + d.userCast
	at := func(n int) string { return fmt.Sprintf("$%d%s", n, d.createdCast) }
	pair := fmt.Sprintf("(%s, %s)", d.created, d.id)
	place := func(n int) string { return fmt.Sprintf("(%s, $%d%s)", at(n), n+1, d.idCast) }
	order := func(direction string) string {
		return fmt.Sprintf(" ORDER BY %s%s, %s%s", d.created, direction, d.id, direction)
	}
	items := func(where, direction string) string {
		return fmt.Sprintf(`SELECT %s, %s, %s, %s, %s, %s, %s, %s, %s, %s
			FROM notifications n %s WHERE %s AND %s AND %s%s LIMIT $2`,
			d.createdOut, d.idOut, d.event, d.level, d.title, d.text, d.context, d.expires, d.seen, d.dismissed,
			d.join, user, where, d.live, order(direction))
	}
	return &statements{
		dialect: d,
		keys: fmt.Sprintf("SELECT %s, %s FROM notifications n WHERE %s AND %s >= %s AND %s <= %s%s",
			d.createdOut, d.idOut, user, d.created, at(2), pair, place(3), order(oldestFirst)),
		span:      items(d.created+" >= "+at(4)+" AND "+pair+" <= "+place(5), oldestFirst),
		after:     items(pair+" > "+place(4), oldestFirst),
		before:    items(pair+" < "+place(4), newestFirst),
		newest:    items("true", newestFirst),
		find:      fmt.Sprintf("SELECT %s, %s FROM notifications n WHERE %s AND n.id = $2%s", d.createdOut, d.idOut, user, d.idCast),
		unordered: fmt.Sprintf("SELECT %s, %s FROM notifications n WHERE %s LIMIT 1", d.createdOut, d.idOut, d.odd),
		recent: fmt.Sprintf("SELECT %s, %s, %s FROM notifications n WHERE %s >= %s AND %s LIMIT $2",
			d.createdOut, d.idOut, d.userOut, d.created, at(1), d.owned),
	}
}

// Moments outside these years come from forged cursors only: text of another
// length would not compare, and PostgreSQL refuses what is too far away.
var (
	firstMoment = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	lastMoment  = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).UnixMicro()
)

func bounded(at int64) time.Time {
	return time.UnixMicro(min(max(at, firstMoment), lastMoment)).UTC()
}

// legacyText is a moment as the app writes it, rounded down to the second: right
// where a range begins. Where one ends it is exact, since those come from rows.
func legacyText(at int64) any { return bounded(at).Format(backend.LegacyTime) }

func anyone(user string) (any, bool)     { return user, true }
func oneName(user string) []string       { return []string{user} }
func textPlace(k backend.Key) (any, any) { return legacyText(k.At), k.ID }
