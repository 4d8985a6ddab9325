package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"sluice/backend"
)

// querier is an *sql.Tx, *sql.Conn or *sql.DB.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// column is a column of the app's tables in PostgreSQL.
type column struct {
	kind      string // text, uuid, timestamp, timestamptz, json, jsonb; another type by its own name
	collation string // quoted; empty where the type has none
}

// columns are the app's, by "table.column".
type columns map[string]column

// readColumns looks at the tables that the session's search_path finds. Domains
// count as what they are made of.
func readColumns(ctx context.Context, db querier) (columns, error) {
	rows, err := db.QueryContext(ctx, `SELECT r.name, a.attname::text, format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL),
			coalesce(quote_ident(s.nspname) || '.' || quote_ident(c.collname), '')
		FROM (VALUES ('notifications'::text), ('notification_deliveries')) r(name)
		JOIN pg_catalog.pg_attribute a ON a.attrelid = to_regclass(r.name) AND a.attnum > 0 AND NOT a.attisdropped
		JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
		LEFT JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation
		LEFT JOIN pg_catalog.pg_namespace s ON s.oid = c.collnamespace`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := columns{}
	for rows.Next() {
		var table, name, typ, collation string
		if err := rows.Scan(&table, &name, &typ, &collation); err != nil {
			return nil, err
		}
		found[table+"."+name] = column{kindOf(typ), collation}
	}
	return found, rows.Err()
}

func kindOf(typ string) string {
	switch typ {
	case "character varying":
		return "text"
	case "timestamp without time zone":
		return "timestamp"
	case "timestamp with time zone":
		return "timestamptz"
	}
	return typ
}

// wanted are the columns that polls read, and the kinds that they may be of;
// none: any, since it is only shown.
var wanted = []struct {
	table string
	names string
	kinds []string
}{
	{notifications, "id user_id", []string{"text", "uuid"}},
	{notifications, "created_at expires_at", []string{"text", "timestamp", "timestamptz"}},
	{notifications, "context", []string{"text", "json", "jsonb"}},
	{notifications, "event_id level title text", nil},
	{deliveries, "id", []string{"text"}},
	{deliveries, "seen_at dismissed_at", []string{"text", "timestamp", "timestamptz"}},
}

// problems is what keeps the tables from being read.
func (c columns) problems() error {
	var errs []error
	for _, table := range []string{notifications, deliveries} {
		if !c.has(table) {
			errs = append(errs, fmt.Errorf("there is no table %s", table))
		}
	}
	for _, w := range wanted {
		for _, name := range strings.Fields(w.names) {
			key := w.table + "." + name
			switch found, ok := c[key]; {
			case !c.has(w.table):
			case !ok:
				errs = append(errs, fmt.Errorf("there is no column %s", key))
			case w.kinds != nil && !slices.Contains(w.kinds, found.kind):
				errs = append(errs, fmt.Errorf("%s is of type %s; supported are %s", key, found.kind, strings.Join(w.kinds, ", ")))
			}
		}
	}
	return errors.Join(errs...)
}

func (c columns) has(table string) bool {
	for key := range c {
		if strings.HasPrefix(key, table+".") {
			return true
		}
	}
	return false
}

// dialect is PostgreSQL for these columns.
func (c columns) dialect() (dialect, error) {
	if err := c.problems(); err != nil {
		return dialect{}, err
	}
	d := dialect{
		idOut: "n.id::text", userOut: "n.user_id::text", event: "n.event_id::text", level: "n.level::text", title: "n.title::text",
		text: "n.text::text", context: "n.context::text",
		expires: c.timeOut("n", "expires_at"), seen: c.timeOut("d", "seen_at"), dismissed: c.timeOut("d", "dismissed_at"),
		// A plain join might read all deliveries. The columns may be of different
		// collations; the delivery's has its primary key.
		join: "LEFT JOIN LATERAL (SELECT d.seen_at, d.dismissed_at FROM notification_deliveries d WHERE d.id = (n.id::text || ':' || n.user_id::text) COLLATE " +
			c[deliveries+".id"].collation + " LIMIT 1) d ON true",
		owned:     strings.ReplaceAll(owned, "user_id", "n.user_id"),
		unlimited: nil,
		now:       func(at int64) any { return bounded(at) },
	}
	c.keys(&d)
	c.owners(&d)
	c.expires(&d)
	return d, nil
}

// bytewise is a column that is compared by its bytes, whatever the database's
// collation. An index that serves it says the same.
func (c columns) bytewise(name string) string {
	if c[notifications+"."+name].kind == "text" {
		return name + ` COLLATE "C"`
	}
	return name
}

// ordered is the condition of a created_at that can be ordered.
func (c columns) ordered() string {
	if c[notifications+".created_at"].kind == "text" {
		return `n.created_at COLLATE "C" ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$'`
	}
	return "isfinite(n.created_at)"
}

// timeOut reads an infinite time as none: Go has no such moment.
func (c columns) timeOut(alias, name string) string {
	table := notifications
	if alias == "d" {
		table = deliveries
	}
	expr := alias + "." + name
	if c[table+"."+name].kind == "text" {
		return expr
	}
	return fmt.Sprintf("CASE WHEN isfinite(%s) THEN %s END", expr, expr)
}

// keys says how rows are ordered.
func (c columns) keys(d *dialect) {
	at := c[notifications+".created_at"].kind
	moment := func(at int64) any { return bounded(at) }
	if at == "text" {
		moment = legacyText
	}
	d.created, d.createdOut, d.createdCast = "n."+c.bytewise("created_at"), c.timeOut("n", "created_at"), "::"+at
	d.moment = moment
	d.odd = "n.created_at IS NULL OR NOT " + c.ordered()
	d.id, d.idCast, d.itemID = "n."+c.bytewise("id"), "::text", storable
	d.place = func(k backend.Key) (any, any) { return moment(k.At), storablePart(k.ID) }
	if c[notifications+".id"].kind == "uuid" {
		d.idCast, d.itemID = "::uuid", anyUUID
		d.place = func(k backend.Key) (any, any) { return uuidPlace(k, moment) }
	}
}

// owners says whose a row is.
func (c columns) owners(d *dialect) {
	d.user, d.userCast, d.owner, d.names = "n."+c.bytewise("user_id"), "::text", storable, oneName
	if c[notifications+".user_id"].kind == "uuid" {
		d.userCast, d.owner, d.names = "::uuid", ownUUID, bothCases
	}
}

// expires says what is over. Text is compared as text, since a cast of what is
// no date would fail the whole read; what is no date does not expire.
func (c columns) expires(d *dialect) {
	const moment = "$3::timestamptz AT TIME ZONE 'UTC'"
	switch c[notifications+".expires_at"].kind {
	case "timestamptz":
		d.live = "coalesce(n.expires_at > $3::timestamptz, true)"
	case "timestamp":
		d.live = "coalesce(n.expires_at > " + moment + ", true)"
	default:
		d.live = `CASE WHEN n.expires_at COLLATE "C" ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?(Z|[+-][0-9]{2}:[0-5][0-9])?$'
			THEN translate(left(n.expires_at, 19), 'T', ' ') COLLATE "C" > to_char((` + moment + `)
				+ coalesce(substring(n.expires_at COLLATE "C" from '[+-][0-9]{2}:[0-5][0-9]$'), '0')::interval, 'YYYY-MM-DD HH24:MI:SS')
			ELSE true END`
	}
}

// storable is a text parameter, if PostgreSQL can hold it.
func storable(s string) (any, bool) { return s, storablePart(s) == s }

// storablePart is what PostgreSQL can hold of the id in a forged cursor.
func storablePart(s string) string {
	for i, r := range s {
		if r == 0 || r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)) {
			return s[:i]
		}
	}
	return s
}

// anyUUID is an item's id as a parameter; however it is written, the row says
// how it is written right.
func anyUUID(id string) (any, bool) {
	u, err := uuid.Parse(id)
	return u.String(), err == nil && len(id) == len(u.String())
}

// ownUUID is a user's id as a parameter: in the form that bothCases names, so
// that a tail names every user that has been read.
func ownUUID(user string) (any, bool) {
	u, err := uuid.Parse(user)
	return u.String(), err == nil && slices.Contains(bothCases(u.String()), user)
}

// bothCases is how tokens write a UUID: most in lower case, some in upper.
func bothCases(user string) []string {
	if upper := strings.ToUpper(user); upper != user {
		return []string{user, upper}
	}
	return []string{user}
}

// uuidPlace is a key where ids are UUIDs. An id that is none sorts before them
// all, so its place is after the last of the instant before.
func uuidPlace(k backend.Key, moment func(int64) any) (at, id any) {
	if u, err := uuid.Parse(k.ID); err == nil && u.String() == k.ID {
		return moment(k.At), k.ID
	}
	return moment(k.At - 1), uuid.Max.String()
}
