package compat

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// reading is what a browser makes of a stream.
type reading struct {
	events   []message
	place    string   // the last event ID it would come back with
	retries  []int    // each reconnection time it was told, in milliseconds
	comments []string // which it ignores
	rest     string   // what came after the last empty line, and is lost at the end
}

// message is a dispatched event.
type message struct{ kind, data, lastEventID string }

// readEvents interprets a stream as https://html.spec.whatwg.org/#parsing-an-event-stream
// says, written from the standard and not from the encoder.
func readEvents(stream string) (r reading) {
	stream = strings.TrimPrefix(strings.ToValidUTF8(stream, string(utf8.RuneError)), "\uFEFF")
	var data, kind, id string
	for {
		line, after, ok := cutLine(stream)
		if !ok {
			return r
		}
		stream = after
		if line == "" {
			r.place = id
			if data != "" {
				r.events = append(r.events, message{kind, strings.TrimSuffix(data, "\n"), id})
			}
			data, kind = "", ""
			r.rest = stream
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "":
			r.comments = append(r.comments, value)
		case "event":
			kind = value
		case "data":
			data += value + "\n"
		case "id":
			if !strings.Contains(value, "\x00") {
				id = value
			}
		case "retry":
			if n, err := strconv.Atoi(value); err == nil && strings.Trim(value, "0123456789") == "" {
				r.retries = append(r.retries, n)
			}
		}
	}
}

// cutLine cuts at CR LF, LF or CR.
func cutLine(s string) (line, after string, ok bool) {
	i := strings.IndexAny(s, "\r\n")
	if i < 0 {
		return "", "", false
	}
	if strings.HasPrefix(s[i:], "\r\n") {
		return s[:i], s[i+2:], true
	}
	return s[:i], s[i+1:], true
}
