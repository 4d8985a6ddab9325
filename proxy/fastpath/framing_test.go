package fastpath

import (
	"fmt"
	"strings"
	"testing"
)

// Where a header leaves any doubt about what follows it, nothing is said.
func TestBodyLength(t *testing.T) {
	const in = "POST /up HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n"
	for name, c := range map[string]struct {
		head string
		n    int64
		ok   bool
	}{
		"none":                 {page, 0, true},
		"a length":             {fmt.Sprintf(in, "content-LENGTH:\t17 "), 17, true},
		"other fields with it": {fmt.Sprintf(in, "Content-Type: a\r\nTe: x\r\nCookie: c\r\nContent-Length: 0"), 0, true},
		"a long upload":        {fmt.Sprintf(in, "Content-Length: 4611686018427387903"), 1<<62 - 1, true},
		"more than there is":   {fmt.Sprintf(in, "Content-Length: 4611686018427387904"), 0, false},
		"chunks":               {fmt.Sprintf(in, "Transfer-Encoding: chunked"), 0, false},
		"what may be chunks":   {fmt.Sprintf(in, "tRANSFER-eNCODING\v: x"), 0, false},
		"two lengths":          {fmt.Sprintf(in, "Content-Length: 1\r\nContent-Length: 1"), 0, false},
		"a list":               {fmt.Sprintf(in, "Content-Length: 1, 1"), 0, false},
		"a sign":               {fmt.Sprintf(in, "Content-Length: +1"), 0, false},
		"hexadecimal":          {fmt.Sprintf(in, "Content-Length: 0x1"), 0, false},
		"nothing":              {fmt.Sprintf(in, "Content-Length:"), 0, false},
		"a space before":       {fmt.Sprintf(in, "Content-Length : 1"), 0, false},
		"a line that goes on":  {fmt.Sprintf(in, "X: a\r\n Content-Length: 1"), 0, false},
		"one by a tab":         {fmt.Sprintf(in, "X: a\r\n\tb"), 0, false},
		"LF":                   {fmt.Sprintf(in, "X: a\nContent-Length: 1"), 0, false},
		"LF in the first line": {strings.Replace(page, " HTTP", "\nX: a HTTP", 1), 0, false},
		"CR":                   {fmt.Sprintf(in, "X: a\rContent-Length: 1"), 0, false},
		"another version":      {strings.Replace(page, "1.1", "1.0", 1), 0, false},
		"another method":       {strings.Replace(page, "GET", "CONNECT", 1), 0, false},
		"HTTP/2":               {"PRI * HTTP/2.0\r\n\r\n", 0, false},
	} {
		if n, ok := bodyLength([]byte(c.head)); ok != c.ok || ok && n != c.n {
			t.Errorf("%s: %d %v", name, n, ok)
		}
	}
}

// A byte that net/http has read before it was done with a request belongs to the next.
func TestTheNextRequestBeginsEarly(t *testing.T) {
	var f framing
	f.pass([]byte(page))
	f.pass([]byte(poll[:1]))
	if f.over() {
		t.Error("the second byte is taken for the first")
	}
	f.pass([]byte(poll[1:]))
	if !f.over() {
		t.Error("the end of the next request is not known")
	}
	f.pass([]byte(page + poll[:1])) // all at once, so that net/http has it in its buffer
	for range 2 {
		if f.over() {
			t.Error("what net/http has in its buffer is not counted")
		}
	}
}

// What is kept of a header that does not end has a limit.
func TestAHeaderWithoutEnd(t *testing.T) {
	var f framing
	for range 100 {
		f.pass([]byte(strings.Repeat("X", mostHead/10)))
	}
	if f.head != nil || f.over() {
		t.Errorf("%d bytes are kept", len(f.head))
	}
}
