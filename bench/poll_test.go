package bench

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"sluice/bench/lab"
	"sluice/internal/servertest"
)

const (
	// perSecond is the load of an open loop: far from what any contender can do.
	perSecond = 4000

	fromRedisShare = "share from Redis"
)

const noFiveTimes = "a gin route that does nothing is itself three times as fast as a proxy that is tuned like this one, and that is what the row for warm polls is about"

// Empty polls, as fast as they are answered, by Sluice and by what one would build or
// take instead.
func TestEmptyPoll(t *testing.T) {
	needNchan(t)
	lab.Need(t, "wrk", "redis-server")
	server := servertest.StartRedis(t)
	a := newApp(t, lab.Pick(1000, 1000, 20))
	warm := a.serve(t, "SLUICE_REDIS_URL="+server.URL)
	requests := polls(t, warm, a.users)
	remembered(t, server, requests)
	backend := peer(t, lab.LoadCore, "nethttp")

	contender := func(name, what string, s node, behind ...int) lab.Contender {
		r := of(requests, s)
		return lab.Contender{Name: name, What: what, Run: func(t testing.TB) lab.Figures {
			return r.Saturate(t, append([]int{s.PID()}, behind...)...)
		}}
	}
	channel := nchan(t)
	notModified := of(requests, channel)
	notModified.Status, notModified.Body = http.StatusNotModified, ""
	measured := lab.InterleaveTimes(t, lab.Turns,
		contender("net/http", "a bare handler", peer(t, lab.ServerCore, "nethttp")),
		contender("gin", "a bare route", peer(t, lab.ServerCore, "gin")),
		lab.Contender{Name: "nchan", What: "one nginx worker and one empty channel for all, which anybody may poll: 304", Run: func(t testing.TB) lab.Figures {
			return notModified.Saturate(t, channel.PID())
		}},
		contender("Sluice, warm", "as it comes: HS256 cookie, limits, metrics, its log in a file, the feed of an SQLite file, and Redis, which it does not ask", warm, server.PID()),
		contender("gin + go-redis", "a GET on each poll", peer(t, lab.ServerCore, "-redis", server.Addr, "gin-redis"), server.PID()),
		fromRedis(t, a, server, requests),
		contender("gin + ReverseProxy", "tuned as well as it can be, to a bare net/http backend", peer(t, lab.ServerCore, "-app", backend.url, "gin-proxy"), backend.PID()),
		contender("gin + ReverseProxy, plain", "`httputil.NewSingleHostReverseProxy` over net/http's own transport, as one writes it first", peer(t, lab.ServerCore, "-app", backend.url, "gin-proxy-plain"), backend.PID()),
		contender("nginx proxy_pass", "one worker, 64 kept connections to the same backend, no access log", nginx(t, backend), backend.PID()),
	)
	lab.Record(t, lab.Experiment{
		Title: "Empty polls", Method: fmt.Sprintf("wrk, 64 connections, %d users in turn: a closed loop, so latencies are those of 64 polls at a time.", a.users),
		Columns: []string{lab.Rate, lab.P50, lab.P99, lab.ServerCPU, lab.TotalCPU, lab.LoadBusy, fromRedisShare}, Measured: measured,
		Rows: []lab.Row{
			{Work: "Warm empty poll", Figure: lab.Rate, Of: "Sluice, warm", Against: "gin", AtLeast: 0.85},
			{Work: "Empty poll with one Redis round trip", Figure: lab.Rate, Of: "Sluice, from Redis", Against: "gin", AtLeast: 0.55,
				Why: "a tenth of the time the gateway waits for Redis, which shares the load's core; runs of the same differ by more than what is missing"},
			{Work: "Warm, against a proxy in Go as one writes it first", Figure: lab.Rate, Of: "Sluice, warm", Against: "gin + ReverseProxy, plain", AtLeast: 5},
			{Work: "With Redis on each, against that", Figure: lab.Rate, Of: "Sluice, from Redis", Against: "gin + ReverseProxy, plain", AtLeast: 3},
			{Work: "Warm, against a tuned proxy in Go", Figure: lab.Rate, Of: "Sluice, warm", Against: "gin + ReverseProxy", AtLeast: 5, Why: noFiveTimes},
			{Work: "With Redis on each, against that", Figure: lab.Rate, Of: "Sluice, from Redis", Against: "gin + ReverseProxy", AtLeast: 3, Why: noFiveTimes},
			{Work: "Warm, against nginx as a proxy", Figure: lab.TotalCPU, Of: "Sluice, warm", Against: "nginx proxy_pass", AtMost: 0.5},
		},
	})
}

// remembered puts into Redis what gin-redis looks for.
func remembered(t testing.TB, server *servertest.Redis, r lab.Requests) {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer client.Close()
	for _, each := range r.Each {
		if err := client.Set(t.Context(), each.Cookie[len(each.Cookie)-16:], strings.Repeat("x", 43), 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// fromRedis is a gateway that has read nothing itself: another one has, so that each
// poll is one round trip to Redis. What would read a user, and so put them into the
// process's own memory, is off: audits, old entries, and Redis's time-out.
func fromRedis(t testing.TB, a *app, server *servertest.Redis, requests lab.Requests) lab.Contender {
	t.Helper()
	s := a.serve(t, "SLUICE_REDIS_URL="+server.URL, "SLUICE_REDIS_TIMEOUT=5s", "SLUICE_CACHE_STALENESS_BOUND=10m", "SLUICE_CACHE_AUDIT_RATIO=0")
	r := of(requests, s)
	const hits, all = `sluice_latest_requests_total{layer="redis",result="hit"}`, `sluice_polls_total{client="sluice",result="empty"}`
	return lab.Contender{
		Name: "Sluice, from Redis", What: "the same, but another gateway has read these users, so that each poll asks Redis (counted); with `cache.staleness_bound: 10m`, `cache.audit_ratio: 0` and `redis.timeout: 5s`, so that it stays so",
		Run: func(t testing.TB) lab.Figures {
			asked, polled := s.counter(t, hits), s.counter(t, all)
			f := r.Saturate(t, s.PID(), server.PID())
			asked, polled = s.counter(t, hits)-asked, s.counter(t, all)-polled
			if left := 64.0; polled-asked > left+0.01*polled { // those who did not wait for their answer
				t.Errorf("of %.0f polls only %.0f were answered from Redis", polled, asked)
			}
			f[fromRedisShare] = asked / polled
			return f
		},
	}
}

// nginx passes everything on to the backend, as lean as it does that.
func nginx(t testing.TB, backend node) node {
	t.Helper()
	folder, listen := t.TempDir(), address(t)
	config := filepath.Join(folder, "nginx.conf")
	text := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr;
events { worker_connections 1024; }
http {
	access_log off; keepalive_requests 1000000000;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	upstream app { server %[2]s; keepalive 64; keepalive_requests 1000000000; }
	server { listen %[3]s; location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; } }
}
`, folder, strings.TrimPrefix(backend.url, "http://"), listen)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s := node{Process: lab.Start(t, lab.ServerCore, nil, "nginx", "-c", config), url: "http://" + listen}
	lab.Answers(t, s.url)
	return s
}

// An open loop far below saturation: how long users wait.
func TestLatency(t *testing.T) {
	lab.Need(t, "taskset")
	a := newApp(t, lab.Pick(1000, 1000, 20))
	gateway := a.serve(t)
	requests := polls(t, gateway, a.users)
	contender := func(name, what string, s node) lab.Contender {
		r := of(requests, s)
		return lab.Contender{Name: name, What: what, Run: func(t testing.TB) lab.Figures { return r.OpenLoop(t, perSecond, s.PID()) }}
	}
	lab.Record(t, lab.Experiment{
		Title: "Latency at " + strconv.Itoa(perSecond) + " polls a second", Method: "An open loop: polls come at random (Poisson), whatever the answers do, and latency counts from when each was due. Three times as many runs as elsewhere.",
		Columns: []string{lab.P99, lab.P50, lab.TotalCPU},
		Measured: lab.InterleaveTimes(t, lab.Pick(3, 1, 1),
			contender("net/http", "a bare handler", peer(t, lab.ServerCore, "nethttp")),
			contender("gin", "a bare route", peer(t, lab.ServerCore, "gin")),
			contender("Sluice", "warm, as it comes", gateway),
		),
		Rows: []lab.Row{{Work: "p99 of empty polls at 4,000/s", Figure: lab.P99, Of: "Sluice", Against: "gin", AtMost: 1.2}},
	})
}
