package fastpath

import (
	"bytes"
	"net/http"
	"net/textproto"
	"strings"
)

// mostFields is how many header fields a request may have; a browser's poll has about
// fifteen.
const mostFields = 32

// parse reads a request of the route that has come whole and alone. Of anything that is
// in the least unusual it makes nothing, and leaves it to net/http.
func (r *Route) parse(b []byte) *exchange {
	const before, after = "GET ", " HTTP/1.1\r\n"
	if len(b) < len(before)+len(r.Path) || string(b[:len(before)]) != before || string(b[len(before):len(before)+len(r.Path)]) != r.Path || !bytes.HasSuffix(b, []byte("\r\n\r\n")) {
		return nil
	}
	text := string(b[len(before) : len(b)-len("\r\n")])
	target, fields, ok := strings.Cut(text, after)
	if !ok || !isTarget(target) {
		return nil
	}
	path, query, asked := strings.Cut(target, "?")
	if path != r.Path || asked && query == "" {
		return nil
	}
	lines := strings.Count(fields, "\n")
	if lines > mostFields {
		return nil
	}
	x := &exchange{}
	x.url.Path, x.url.RawQuery = path, query
	x.request = http.Request{
		Method: http.MethodGet, URL: &x.url, RequestURI: target, Body: http.NoBody,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header, lines),
	}
	if !x.readFields(fields, make([]string, lines)) || x.request.Host == "" || x.request.Header.Get(r.Field) == "" {
		return nil
	}
	return x
}

// readFields reads lines that all end with CR LF; values has room for as many.
func (x *exchange) readFields(lines string, values []string) bool {
	header := x.request.Header
	for n := 0; lines != ""; n++ {
		line, rest, _ := strings.Cut(lines, "\r\n")
		name, value, ok := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		if !ok || !isToken(name) || !isText(value) {
			return false
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		lines = rest
		switch name {
		case "Host":
			if x.request.Host != "" || !isHost(value) {
				return false
			}
			x.request.Host = value
			continue
		case "Connection":
			if !strings.EqualFold(value, "keep-alive") {
				return false
			}
		case "Content-Length", "Transfer-Encoding", "Trailer", "Expect", "Upgrade", "Pragma":
			return false // a body, another protocol; net/http makes Cache-Control of Pragma
		}
		values[n] = value
		if before, again := header[name]; again {
			header[name] = append(before, value)
		} else {
			header[name] = values[n : n+1 : n+1]
		}
	}
	return true
}

// class tells what a byte may be part of.
type class uint8

const (
	token  class = 1 << iota // a field's name (RFC 9110, section 5.6.2)
	text                     // a field's value, in ASCII
	target                   // a request's target
	host                     // a host and a port, in their usual form
)

var classes = func() (all [256]class) {
	for b := range 0x7f {
		letter := b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z'
		if letter || strings.ContainsRune("!#$%&'*+-.^_`|~", rune(b)) {
			all[b] |= token
		}
		if letter || strings.ContainsRune("-.:[]", rune(b)) {
			all[b] |= host
		}
		if b >= ' ' || b == '\t' {
			all[b] |= text
		}
		if b > ' ' && b != '#' {
			all[b] |= target
		}
	}
	return all
}()

func all(s string, c class) bool {
	for i := range len(s) {
		if classes[s[i]]&c == 0 {
			return false
		}
	}
	return true
}

func isToken(s string) bool  { return s != "" && all(s, token) }
func isText(s string) bool   { return all(s, text) }
func isTarget(s string) bool { return all(s, target) }
func isHost(s string) bool   { return s != "" && all(s, host) }
