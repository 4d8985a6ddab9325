// Command peers is what a team would build in place of Sluice, each in its leanest
// form, and the app behind it. All of them answer with the bytes of Sluice's own
// empty poll, so that a benchmark compares the work and nothing else.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
)

// surroundings are the servers behind a peer.
type surroundings struct {
	app   *url.URL
	redis *redis.Client
}

// peers by name.
var peers = map[string]func(surroundings) http.Handler{
	"nethttp":         func(surroundings) http.Handler { return http.HandlerFunc(empty) },
	"gin":             func(surroundings) http.Handler { return routed(func(c *gin.Context) { empty(c.Writer, c.Request) }) },
	"gin-redis":       ginRedis,
	"gin-proxy":       func(s surroundings) http.Handler { return proxied(reverse(s.app)) },
	"gin-proxy-plain": func(s surroundings) http.Handler { return proxied(httputil.NewSingleHostReverseProxy(s.app)) },
	"proxy":           func(s surroundings) http.Handler { return reverse(s.app) },
	"stream":          stream,
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to serve")
	app := flag.String("app", "", "URL of the app behind a proxy")
	cache := flag.String("redis", "", "address of Redis")
	flag.Parse()
	peer, known := peers[flag.Arg(0)]
	behind, err := url.Parse(*app)
	if !known || err != nil {
		fmt.Fprintf(os.Stderr, "peers: name one peer and good addresses: %q %v\n", flag.Args(), err)
		os.Exit(2)
	}
	s := surroundings{behind, redis.NewClient(&redis.Options{Addr: *cache})}
	server := &http.Server{Addr: *listen, Handler: peer(s), ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintln(os.Stderr, "peers:", server.ListenAndServe())
	os.Exit(1)
}

// The header and the body of Sluice's empty poll; values are made once, as Sluice does.
var (
	body   = []byte(`{"notifications":[]}`)
	header = map[string][]string{
		"Cache-Control": {"no-store"}, "Content-Type": {"application/json"},
		"Sluice-Transport": {"poll"}, "X-Poll-Interval": {"5"},
	}
)

func empty(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	for name, value := range header {
		h[name] = value
	}
	_, _ = w.Write(body)
}

// routed is gin without middleware: its logger and recovery cost a quarter more.
func routed(handler gin.HandlerFunc) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.GET("/api/notifications", handler)
	return r
}

func proxied(proxy http.Handler) http.Handler {
	return routed(func(c *gin.Context) { proxy.ServeHTTP(c.Writer, c.Request) })
}

// ginRedis asks Redis on each poll, as Sluice does where this process knows nothing.
func ginRedis(s surroundings) http.Handler {
	return routed(func(c *gin.Context) {
		cookie, err := c.Request.Cookie("access_token")
		if err == nil {
			err = s.redis.Get(context.WithoutCancel(c.Request.Context()), cookie.Value[len(cookie.Value)-16:]).Err()
		}
		if err != nil && err != redis.Nil { //nolint:errorlint // never wrapped there, and this is the lean peer
			c.AbortWithStatus(http.StatusInternalServerError)
			return
		}
		empty(c.Writer, c.Request)
	})
}

// reverse is httputil's proxy as one tunes it: connections are kept, and buffers too.
func reverse(app *url.URL) http.Handler {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy, transport.DisableCompression = nil, true
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 256, 256 // the default of 2 almost doubles the cost
	return &httputil.ReverseProxy{
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(app); r.Out.Host = r.In.Host; r.SetXForwarded() },
		Transport:  transport,
		BufferPool: &buffers{},
	}
}

// buffers are those of responses under way.
type buffers struct{ pool sync.Pool }

// Get implements httputil.BufferPool.
func (b *buffers) Get() []byte {
	if kept, ok := b.pool.Get().(*[32 << 10]byte); ok {
		return kept[:]
	}
	return make([]byte, 32<<10)
}

// Put implements httputil.BufferPool.
func (b *buffers) Put(buffer []byte) { b.pool.Put((*[32 << 10]byte)(buffer)) }
