package chaos

import (
	"database/sql"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"sluice/internal/servertest"
)

const key = "the key of the app's sign-in tokens"

// world is some gateways over one database, and a way to write into that.
type world struct {
	postgres *servertest.Postgres
	db       *sql.DB // the app's own: no link in between
	gateways []*gateway
	books    *books
	late     bool // some rows become visible later than the tail looks, and so stay hidden for longer
}

// gateway is one `sluice serve`.
type gateway struct {
	t        *testing.T // the world's, which outlives the test of one fault
	address  string
	admin    string
	environ  []string
	redis    *link // nil: the gateway finds its Redis without one
	postgres *link
	process  *servertest.Process
	life     atomic.Int64 // odd while it is down; whoever sees it change was cut off
}

// newWorld starts everything but Redis, which is at one address, or wherever the
// URL says. environ is for all gateways.
func newWorld(t *testing.T, gateways int, redisAddress, redisURL string, environ ...string) *world {
	t.Helper()
	w := &world{postgres: servertest.StartPostgres(t), books: newBooks()}
	dsn := w.postgres.URL("postgres")
	if migrate := sluice(t, []string{"SLUICE_STORE_DRIVER=postgres", "SLUICE_STORE_DSN=" + dsn}, "migrate"); migrate.Status() != 0 {
		t.Fatal(migrate.Stderr.String())
	}
	// What the app was told is committed must outlive a crash, or nothing could be counted.
	var err error
	if w.db, err = sql.Open("pgx", dsn+"&synchronous_commit=on"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.db.Close() })
	for i := range gateways {
		g := &gateway{t: t, address: freeAddress(t), admin: freeAddress(t)}
		g.postgres = newLink(t, fmt.Sprintf("postgres-%d", i), net.JoinHostPort("127.0.0.1", strconv.Itoa(w.postgres.Port)))
		url := redisURL
		if redisAddress != "" {
			g.redis = newLink(t, fmt.Sprintf("redis-%d", i), redisAddress)
			url = "redis://" + g.redis.address()
		}
		g.environ = []string{
			"SLUICE_LISTEN=" + g.address, "SLUICE_ADMIN_LISTEN=" + g.admin, "SLUICE_AUTH_KEY=" + key, "SLUICE_LOG_LEVEL=warn",
			"SLUICE_STORE_DRIVER=postgres", "SLUICE_STORE_DSN=postgres://postgres@" + g.postgres.address() + "/postgres?sslmode=disable",
			"SLUICE_REDIS_URL=" + url,
		}
		g.environ = append(g.environ, environ...)
		g.start()
		w.gateways = append(w.gateways, g)
	}
	return w
}

func sluice(t *testing.T, environ []string, args ...string) *servertest.Process {
	t.Helper()
	return servertest.StartProcess(t, environ, filepath.Join(bin, "sluice"), args...)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(servertest.FreePort(t)))
}

func (g *gateway) start() {
	g.t.Helper()
	g.process = sluice(g.t, g.environ, "serve")
	servertest.Eventually(g.t, "a gateway listens", func() bool {
		g.process.Running()
		c, err := net.DialTimeout("tcp", g.address, time.Second)
		return err == nil && c.Close() == nil
	})
}

func (g *gateway) kill() {
	g.life.Add(1)
	g.process.Kill()
}

// restart follows kill.
func (g *gateway) restart() {
	g.start()
	g.life.Add(1)
}

// cookie signs somebody in.
func cookie(t *testing.T, user string) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"user_id": user, "exp": time.Now().Add(24 * time.Hour).Unix()}).SignedString([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return "access_token=" + token
}
