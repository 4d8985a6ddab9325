package scale

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/redis/go-redis/v9"

	"sluice/internal/redisconn"
	"sluice/internal/servertest"
)

const (
	anchorKey      = "the key of the app's sign-in tokens"
	anchorGateways = 3
)

// anchorOf is the fleet of the anchor.
func anchorOf(users int) Settings {
	s := fleetOf(users)
	s.Config, s.Concurrent, s.Gateways = fleetOf(million).Config, concurrentReads, anchorGateways
	s.Warm, s.Length, s.Slow = 90*time.Second, 210*time.Second, true
	return s
}

// The same browsers poll three real gateways on a Redis Cluster and PostgreSQL, and
// simulated ones: what is counted has to be the same.
func TestAnchor(t *testing.T) {
	onlyForTheReport(t)
	s := anchorOf(users(t, 3000))
	there := newReality(t, s.Users).live(s)
	var simulated figures
	simulate(t, s, func(f *fleet, m *measured) {
		simulated = figuresOf(m, s)
		simulated.keys = float64(f.redis.keys())
	})
	text := anchorTable(s, there, simulated)
	t.Log("\n" + text)
	replace(t, "anchor", text)
}

// figures are what both can count, a second.
type figures struct {
	polls, failed, local, shared, reads, scripts, unlinks, bytes, keys float64
	cpu                                                                float64 // seconds of all gateways
	stale                                                              []float64
}

func figuresOf(m *measured, s Settings) figures {
	rate := func(of func(sample) int64) float64 { return m.rate(s.Warm, s.Length, of) }
	return figures{
		polls:   rate(func(s sample) int64 { return s.polls }),
		failed:  rate(func(s sample) int64 { return s.failed }),
		local:   rate(func(s sample) int64 { return s.local }),
		shared:  rate(func(s sample) int64 { return s.shared }),
		reads:   rate(func(s sample) int64 { return s.reads }),
		scripts: rate(func(s sample) int64 { return s.gets + s.puts }),
		unlinks: rate(func(s sample) int64 { return s.unlinks }),
		bytes:   rate(sample.bytes),
		stale:   m.staleness(s.Warm, s.Length, 0.5, 0.95),
	}
}

func anchorTable(s Settings, there, simulated figures) string {
	t := newTable("", "real", "simulated", "deviation")
	row := func(what string, a, b float64, unit string) {
		deviation := "0"
		if a != b {
			deviation = fmt.Sprintf("%+.1f %%", 100*(b/a-1))
		}
		t.row(what, fmt.Sprintf("%.1f", a)+unit, fmt.Sprintf("%.1f", b)+unit, deviation)
	}
	row("polls a second", there.polls, simulated.polls, "")
	row("of which fail", there.failed, simulated.failed, "")
	row("answered in memory", there.local, simulated.local, "")
	row("answered by Redis", there.shared, simulated.shared, "")
	row("reads of PostgreSQL", there.reads, simulated.reads, "")
	row("scripts in Redis", there.scripts, simulated.scripts, "")
	row("entries unlinked", there.unlinks, simulated.unlinks, "")
	row("bytes to and from Redis, KB", there.bytes/1e3, simulated.bytes/1e3, "")
	row("entries in Redis at the end", there.keys, simulated.keys, "")
	row("staleness p50", there.stale[0], simulated.stale[0], " s")
	row("staleness p95", there.stale[1], simulated.stale[1], " s")
	return fmt.Sprintf("%d users, %d gateways, %s counted after %s. The gateways took %.1f s of CPU for 100,000 polls, of whatever kind.\n\n%s",
		s.Users, s.Gateways, s.Length-s.Warm, s.Warm, there.cpu/there.polls*1e5, t)
}

// reality is real gateways with what they need.
type reality struct {
	t        *testing.T
	db       *sql.DB
	redis    *redis.ClusterClient
	gateways []*servertest.Process
	public   []string // addresses of the gateways
	admin    []string
	cookies  []string
	http     *http.Client
	writing  sync.WaitGroup
}

func newReality(t *testing.T, users int) *reality {
	t.Helper()
	postgres, cluster := servertest.StartPostgres(t), servertest.StartCluster(t)
	dsn := postgres.URL("postgres")
	r := &reality{t: t, cookies: make([]string, users)}
	r.http = &http.Client{Timeout: clientTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	bin := filepath.Join(t.TempDir(), "sluice")
	build := exec.Command("go", "build", "-o", bin, "sluice")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	environ := []string{
		"SLUICE_AUTH_KEY=" + anchorKey, "SLUICE_LOG_LEVEL=warn", "SLUICE_STORE_DRIVER=postgres", "SLUICE_STORE_DSN=" + dsn,
		"SLUICE_REDIS_URL=" + cluster.URL, "SLUICE_CACHE_AUDIT_RATIO=0",
	}
	if p := servertest.StartProcess(t, environ, bin, "migrate"); p.Status() != 0 {
		t.Fatal(p.Stderr.String())
	}
	r.prepare(dsn, cluster.URL)
	for range anchorGateways {
		public, admin := address(t), address(t)
		r.public, r.admin = append(r.public, public), append(r.admin, admin)
		p := servertest.StartProcess(t, append(slices.Clone(environ), "SLUICE_LISTEN="+public, "SLUICE_ADMIN_LISTEN="+admin), bin, "serve")
		r.gateways = append(r.gateways, p)
		servertest.Eventually(t, "a gateway is ready", func() bool {
			p.Running()
			resp, err := http.Get("http://" + admin + "/readyz")
			return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
		})
	}
	return r
}

// prepare opens both stores, and gives each user the item that the simulated have.
func (r *reality) prepare(dsn, redisURL string) {
	r.t.Helper()
	client, err := redisconn.Open(redisURL, 5*time.Second)
	if err != nil {
		r.t.Fatal(err)
	}
	r.redis = client.(*redis.ClusterClient)
	if r.db, err = sql.Open("pgx", dsn); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { r.writing.Wait(); r.db.Close(); client.Close() })
	for i := range r.cookies {
		user := fmt.Sprintf(nameFormat, i)
		claims := jwt.MapClaims{"user_id": user, "exp": time.Now().Add(time.Hour).Unix()}
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(anchorKey))
		if err != nil {
			r.t.Fatal(err)
		}
		r.cookies[i] = "access_token=" + token
		r.insert(user, 24*time.Hour)
	}
}

func (r *reality) insert(user string, ago time.Duration) {
	_, err := r.db.Exec(`INSERT INTO notifications (id, user_id, level, title, text, context, created_at)
		VALUES ($1, $2, 'info', '', '', '{}', to_char((now() - $3 * interval '1 second') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'))`,
		uuid.NewString(), user, int(ago.Seconds()))
	if err != nil {
		r.t.Error(err)
	}
}

func address(t *testing.T) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(servertest.FreePort(t)))
}

// live lets the browsers of a fleet poll the real gateways, as long as it says.
func (r *reality) live(s Settings) figures {
	s.Gateways, s.Redis = 0, false
	var warm figures
	s.Events = []Event{{s.Warm, func(*fleet) { warm = r.counted() }}}
	f := newFleet(s)
	f.front = r.ask
	f.wrote = func(user string) { r.writing.Go(func() { r.insert(user, 0) }) }
	m := f.run()
	all, seconds := r.counted(), (s.Length - s.Warm).Seconds()
	got := figuresOf(m, s)
	got.local, got.shared, got.reads = (all.local-warm.local)/seconds, (all.shared-warm.shared)/seconds, (all.reads-warm.reads)/seconds
	got.scripts, got.unlinks = (all.scripts-warm.scripts)/seconds, (all.unlinks-warm.unlinks)/seconds
	got.bytes, got.keys, got.cpu = (all.bytes-warm.bytes)/seconds, all.keys, (all.cpu-warm.cpu)/seconds
	return got
}

// ask polls any gateway.
func (r *reality) ask(b *browser, _, after string, elapsed time.Duration) func() reply {
	query := "limit=50"
	if after != "" {
		query += "&after_id=" + url.QueryEscape(after)
	}
	req, err := http.NewRequest(http.MethodGet, "http://"+r.public[b.random.below(len(r.public))]+"/api/notifications?"+query, nil)
	if err != nil {
		r.t.Error(err)
		return func() reply { return reply{failed: true} }
	}
	req.Header.Set("Cookie", r.cookies[b.user])
	req.Header.Set("Sluice-Client", "0.1.0")
	if elapsed > 0 {
		req.Header.Set("Sluice-Elapsed", strconv.Itoa(int(elapsed.Seconds())))
	}
	return func() reply {
		resp, err := r.http.Do(req)
		if err != nil {
			return reply{failed: true}
		}
		defer resp.Body.Close()
		return read(resp)
	}
}

// read takes an answer as the client does.
func read(resp *http.Response) reply {
	retry, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	failed := reply{failed: true, retryAfter: time.Duration(retry) * time.Second}
	if resp.StatusCode != http.StatusOK {
		return failed
	}
	var page struct {
		Notifications []struct {
			CreatedAt time.Time `json:"created_at"`
		}
		Cursor string
		More   bool `json:"has_more"`
	}
	if json.NewDecoder(resp.Body).Decode(&page) != nil {
		return failed
	}
	interval, _ := strconv.Atoi(resp.Header.Get("X-Poll-Interval"))
	answer := reply{place: page.Cursor, more: page.More, interval: time.Duration(interval) * time.Second}
	for _, n := range page.Notifications {
		answer.items = append(answer.items, n.CreatedAt)
	}
	return answer
}

// counted is what gateways and Redis have counted since they started.
func (r *reality) counted() (f figures) {
	for _, admin := range r.admin {
		resp, err := r.http.Get("http://" + admin + "/metrics")
		if err != nil {
			r.t.Error(err)
			return f
		}
		body, err := io.ReadAll(resp.Body)
		if resp.Body.Close(); err != nil {
			r.t.Error(err)
		}
		text := string(body)
		f.local += sum(text, `sluice_latest_requests_total\{layer="memory",result="hit"\}`)
		f.shared += sum(text, `sluice_latest_requests_total\{layer="redis",result="hit"\}`)
		f.reads += sum(text, `sluice_source_requests_total\{[^}]*\}`)
	}
	for _, p := range r.gateways {
		f.cpu += cpu(r.t, p.PID())
	}
	var mu sync.Mutex
	err := r.redis.ForEachMaster(context.Background(), func(ctx context.Context, c *redis.Client) error {
		text, err := c.Info(ctx, "everything").Result()
		mu.Lock()
		defer mu.Unlock()
		f.scripts += sum(text, `cmdstat_evalsha:calls=`) + sum(text, `cmdstat_eval:calls=`)
		f.unlinks += sum(text, `cmdstat_unlink:calls=`)
		f.bytes += sum(text, `total_net_input_bytes:`) + sum(text, `total_net_output_bytes:`)
		f.keys += sum(text, `db0:keys=`)
		return err
	})
	if err != nil {
		r.t.Error(err)
	}
	return f
}

// cpu is what a process has used, in seconds (proc(5): utime and stime, in hundredths).
func cpu(t *testing.T, pid int) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+2:]))
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100
}

// sum adds up the numbers that follow a pattern.
func sum(text, before string) (n float64) {
	for _, m := range regexp.MustCompile(before+` ?([0-9.e+]+)`).FindAllStringSubmatch(text, -1) {
		v, _ := strconv.ParseFloat(m[1], 64)
		n += v
	}
	return n
}
