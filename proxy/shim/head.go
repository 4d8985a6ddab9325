package shim

import (
	"bytes"
	"io"
	"slices"

	"golang.org/x/net/html"
)

// sight is what can be said of a page whose beginning is known.
type sight int

const (
	undecided sight = iota
	found
	absent
)

var byteOrderMark = []byte("\ufeff")

// findHead looks for the start tag <head> as a browser does, and returns where it
// ends. Before it may stand white space, comments, a doctype and <html>; from
// anything else on, a browser takes the head for begun, and a <head> for nothing.
func findHead(begin []byte) (at int, s sight) {
	in := &given{rest: begin}
	if bytes.HasPrefix(begin, byteOrderMark) {
		at, in.rest = len(byteOrderMark), begin[len(byteOrderMark):]
	} else if bytes.HasPrefix(byteOrderMark, begin) {
		return 0, undecided
	}
	for z := html.NewTokenizer(in); ; {
		kind := z.Next()
		raw := z.Raw()
		at += len(raw)
		switch kind {
		case html.TextToken:
			text := bytes.TrimLeft(raw, " \t\r\n\f")
			begun := in.dry && slices.Contains([]string{"<", "</"}, string(text)) // perhaps a tag
			if len(text) > 0 && !begun {
				return 0, absent
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			switch name, _ := z.TagName(); string(name) {
			case "head":
				return at, found
			case "html":
			default:
				return 0, absent
			}
		case html.EndTagToken:
			return 0, absent
		}
		if in.dry {
			return 0, undecided // the token may go on
		}
	}
}

// given is a reader of what is there. It notes when more is asked for.
type given struct {
	rest []byte
	dry  bool
}

func (g *given) Read(p []byte) (int, error) {
	if len(g.rest) == 0 {
		g.dry = true
		return 0, io.EOF
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]
	return n, nil
}
