package fastpath

import (
	"bytes"
	"strconv"
)

// framing follows where the requests end that net/http is given. A proxy in front sends
// requests of many clients over one connection: to take what one of them sent as a body
// for a request would be request smuggling. So only what every reader understands in the
// same way is followed, and all else ends it.
type framing struct {
	lost bool   // it is not known where requests end
	head []byte // of a request, as long as it has not come whole
	body int64  // how much of a body is still to come; below 0 what is more than that
}

// mostHead is the longest header that is waited for, in bytes.
const mostHead = 32 << 10

// pass notes what goes on to net/http.
func (f *framing) pass(b []byte) {
	switch {
	case f.lost:
	case f.body != 0:
		f.body -= int64(len(b)) // below 0 if there is more than a body
	default:
		f.begin(b)
	}
}

func (f *framing) begin(b []byte) {
	if f.head != nil {
		b = append(f.head, b...)
	}
	if b[0] < 'A' || b[0] > 'Z' { // no method: TLS
		f.lost = true
		return
	}
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 && len(b) <= mostHead {
		f.head = bytes.Clone(b)
		return
	}
	f.head = nil
	if end < 0 {
		f.lost = true
		return
	}
	end += len("\r\n\r\n")
	length, ok := bodyLength(b[:end])
	f.body, f.lost = length-int64(len(b)-end), !ok
}

// over is called when net/http is done with a request, and reports whether the next
// byte begins another: not when net/http, which looks whether the client is still there,
// has read the first one already. Once it cannot be told where requests end it never can.
func (f *framing) over() bool {
	f.lost = f.lost || f.body != 0
	return !f.lost && f.head == nil
}

// bodyLength is how much follows a header, in bytes. It reports false where readers may
// differ, by whatever means: lines that end with less than CR LF or go on in the next one
// (RFC 9112, sections 2.2 and 5.2), a body in chunks, a length that is not given once and
// plainly, another version.
func bodyLength(head []byte) (n int64, ok bool) {
	first, rest, _ := bytes.Cut(head, crlf)
	method, _, _ := bytes.Cut(first, []byte(" "))
	if !isMethod[string(method)] || !bytes.HasSuffix(first, []byte(" HTTP/1.1")) || bytes.ContainsAny(first, "\r\n") {
		return 0, false
	}
	given := false
	for len(rest) > len(crlf) {
		var line []byte
		line, rest, _ = bytes.Cut(rest, crlf)
		if bytes.IndexByte(line, '\n') >= 0 || bytes.IndexByte(line, '\r') >= 0 {
			return 0, false
		}
		switch line[0] | 0x20 {
		case ' ', '\t' | 0x20:
			return 0, false
		case 't':
			if isField(line, "transfer-encoding") {
				return 0, false
			}
		case 'c':
			if !isField(line, "content-length") {
				continue
			}
			digits := string(bytes.Trim(line[len("content-length:"):], " \t"))
			length, err := strconv.ParseUint(digits, 10, 62)
			if err != nil || given {
				return 0, false
			}
			n, given = int64(length), true
		}
	}
	return n, true
}

var crlf = []byte("\r\n")

// isMethod has those after which nothing else than HTTP/1.1 is spoken.
var isMethod = map[string]bool{"GET": true, "HEAD": true, "POST": true, "PUT": true, "PATCH": true, "DELETE": true, "OPTIONS": true}

// isField tells whether a line begins with a field's name and anything that some reader
// might take for its end.
func isField(line []byte, name string) bool {
	return len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name))
}
