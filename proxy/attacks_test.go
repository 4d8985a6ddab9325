package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// witness is an app that remembers what reached it.
type witness struct {
	mu   sync.Mutex
	seen []string
}

func (a *witness) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // a request that is not whole is none
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = append(a.seen, fmt.Sprintf("%s %s %q", r.Method, r.RequestURI, body))
	io.WriteString(w, "the app")
}

// taken is what has reached the app since the last time.
func (a *witness) taken() (seen []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen, a.seen = a.seen, nil
	return seen
}

// converse sends bytes over one connection, and returns the statuses of all answers
// until the other side closes it or has nothing more to say.
func converse(t *testing.T, base, bytes string) (statuses []int) {
	t.Helper()
	conn := dial(t, base)
	if err := conn.SetDeadline(time.Now().Add(tooLong)); err != nil {
		t.Fatal(err)
	}
	go io.WriteString(conn, bytes)
	in := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return statuses
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		if resp.StatusCode >= 200 {
			statuses = append(statuses, resp.StatusCode)
		}
	}
}

// attack is a request that tries to be two, or another one behind Sluice than before it.
type attack struct {
	bytes   string
	answers []int    // to it, and to the request behind it
	reached []string // the app; nil: nothing
}

// behind is a good request on the same connection. Whoever closes it after the attack
// does not answer this one.
const behind = "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

const last = `GET /last ""`

var (
	getA = func(lines ...string) string {
		return raw("", append([]string{"GET /a HTTP/1.1", "Host: x"}, lines...)...)
	}
	postA = func(body string, lines ...string) string {
		return raw(body, append([]string{"POST /a HTTP/1.1", "Host: x"}, lines...)...)
	}
	chunks = func(body string) string { return postA(body, "Transfer-Encoding: chunked") }
)

// The corpus: what a hostile client sends, how it is answered, and what the app sees of
// it. In each case the app sees one request or none, and the one behind it whole.
var attacks = map[string]attack{
	// Smuggling: two readers that disagree about the end of a request (RFC 9112, section 11.2).
	"length and chunks":                 {postA("0\r\n\r\nX", "Content-Length: 6", "Transfer-Encoding: chunked"), []int{200}, []string{`POST /a ""`}},
	"chunks and length":                 {postA("0\r\n\r\nX", "Transfer-Encoding: chunked", "Content-Length: 6"), []int{200}, []string{`POST /a ""`}},
	"two lengths":                       {postA("XX", "Content-Length: 1", "Content-Length: 2"), []int{400}, nil},
	"one length twice":                  {postA("X", "Content-Length: 1", "Content-Length: 1"), []int{200, 200}, []string{`POST /a "X"`, last}},
	"a list of lengths":                 {postA("X", "Content-Length: 1, 1"), []int{400}, nil},
	"length with a sign":                {postA("X", "Content-Length: +1"), []int{400}, nil},
	"negative length":                   {postA("", "Content-Length: -1"), []int{400}, nil},
	"length in hex":                     {postA("X", "Content-Length: 0x1"), []int{400}, nil},
	"a request in a GET's body":         {getA("Content-Length: 33") + "GET /smuggled HTTP/1.1\r\nHost: x\r\n", []int{200, 200}, []string{`GET /a "GET /smuggled HTTP/1.1\r\nHost: x\r\n"`, last}},
	"an encoding like chunked":          {postA("0\r\n\r\n", "Transfer-Encoding: xchunked"), []int{501}, nil},
	"chunked, and then not":             {postA("0\r\n\r\n", "Transfer-Encoding: chunked, identity"), []int{501}, nil},
	"two encodings":                     {postA("0\r\n\r\n", "Transfer-Encoding: chunked", "Transfer-Encoding: identity"), []int{501}, nil},
	"gzip, chunked":                     {postA("0\r\n\r\n", "Transfer-Encoding: gzip, chunked"), []int{501}, nil},
	"a tab before chunked":              {postA("0\r\n\r\n", "Transfer-Encoding: \x0bchunked"), []int{400}, nil},
	"a blank before the colon":          {postA("0\r\n\r\n", "Transfer-Encoding : chunked"), []int{400}, nil},
	"chunks of HTTP/1.0":                {raw("0\r\n\r\n", "POST /a HTTP/1.0", "Host: x", "Transfer-Encoding: chunked", "Connection: keep-alive"), []int{200}, []string{`POST /a ""`}},
	"chunks that end in LF":             {chunks("1\nX\n0\n\n"), []int{400}, nil},
	"a chunk of more than there can be": {chunks("fffffffffffffffff\r\nX\r\n0\r\n\r\n"), []int{400}, nil},
	"a size with an underscore":         {chunks("0_1\r\nX\r\n0\r\n\r\n"), []int{400}, nil},
	"a line end in an extension":        {chunks("1;a=\"\r\nX\r\n0\r\n\r\n"), []int{200}, []string{`POST /a "X"`}},
	"framing in trailers":               {postA("0\r\nContent-Length: 5\r\nCookie: a=1\r\n\r\n", "Transfer-Encoding: chunked", "Trailer: Content-Length, Cookie"), []int{400}, nil},

	// Fields and lines that servers read in different ways.
	"a folded line":         {getA("X-A: 1", "  2"), []int{200, 200}, []string{`GET /a ""`, last}},
	"a blank in a name":     {getA("X A: 1"), []int{400}, nil},
	"no colon":              {getA("XA"), []int{400}, nil},
	"NUL in a value":        {getA("X-A: a\x00b"), []int{400}, nil},
	"CR in a value":         {getA("X-A: a\rb"), []int{400}, nil},
	"no host":               {raw("", "GET /a HTTP/1.1"), []int{400}, nil},
	"two hosts":             {getA("Host: y"), []int{400}, nil},
	"a blank in the host":   {raw("", "GET /a HTTP/1.1", "Host: x y"), []int{400}, nil},
	"a blank in the path":   {raw("", "GET /a b HTTP/1.1", "Host: x"), []int{400}, nil},
	"a method of no tokens": {raw("", "G\"T /a HTTP/1.1", "Host: x"), []int{400}, nil},
	"a lower-case version":  {raw("", "GET /a http/1.1", "Host: x"), []int{400}, nil},
	"HTTP/3.0":              {raw("", "GET /a HTTP/3.0", "Host: x"), []int{505}, nil},
	"2 MiB of header":       {getA("X-A: " + strings.Repeat("z", 2<<20)), []int{431}, nil},
	"another host's URL":    {raw("", "GET http://elsewhere/a HTTP/1.1", "Host: x"), []int{200, 200}, []string{`GET /a ""`, last}},
	"a tunnel":              {raw("", "CONNECT elsewhere:443 HTTP/1.1", "Host: elsewhere:443"), []int{405, 200}, []string{last}},
}

func TestAttacks(t *testing.T) {
	for name, c := range attacks {
		t.Run(name, func(t *testing.T) {
			app := &witness{}
			r, _ := before(t, app)
			if got := converse(t, r.public.URL, c.bytes+behind); !slices.Equal(got, c.answers) {
				t.Errorf("answers %v, want %v", got, c.answers)
			}
			if got := app.taken(); !slices.Equal(got, c.reached) {
				t.Errorf("the app saw %q, want %q", got, c.reached)
			}
		})
	}
}
