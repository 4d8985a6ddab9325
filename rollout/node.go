package rollout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// node is one JSON value that knows where it stands, so that an error can say so.
// Its value is an object, a list, or what encoding/json makes of a scalar.
type node struct {
	parent *node
	key    string // in an object
	index  int    // in a list
	offset int    // of the first byte; in an object that is the key's
	value  any
}

type (
	object []*node // in the order of the text
	list   []*node
)

// fault is what is wrong with a JSON text, and where.
type fault struct {
	offset  int
	place   string // like flags.legacy-stream.variants; empty for the whole text
	problem string
}

func (f *fault) Error() string {
	if f.place == "" {
		return f.problem
	}
	return f.place + ": " + f.problem
}

// lineColumn turns the fault's offset into what editors show: both count from 1,
// columns in characters.
func (f *fault) lineColumn(text []byte) (line, column int) {
	before := text[:f.offset]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte{'\n'}) + 1, utf8.RuneCount(before[start:]) + 1
}

func (n *node) faultf(format string, args ...any) error {
	return &fault{offset: n.offset, place: n.place(), problem: fmt.Sprintf(format, args...)}
}

func (n *node) place() string {
	if n.parent == nil {
		return ""
	}
	above := n.parent.place()
	if _, ok := n.parent.value.(list); ok {
		return above + "[" + strconv.Itoa(n.index) + "]"
	}
	return strings.TrimPrefix(above+"."+n.key, ".")
}

// parseJSON reads one JSON value. Unlike encoding/json it refuses bytes that are
// not UTF-8 and keys that come twice: one of the two would be silently lost.
func parseJSON(text []byte) (*node, error) {
	if !utf8.Valid(text) {
		return nil, &fault{offset: invalidUTF8(text), problem: "not UTF-8"}
	}
	// This pass finds every syntax error, so that the next one meets none.
	var all json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, syntaxFault(err)
	}
	r := reader{text: text, tokens: json.NewDecoder(bytes.NewReader(text))}
	r.tokens.UseNumber()
	root := &node{offset: r.next()}
	return root, r.read(root)
}

func invalidUTF8(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(text)
}

// syntaxFault points at the last byte that encoding/json has read: the offending
// one, or the last of a text that ends too early.
func syntaxFault(err error) error {
	f := &fault{problem: err.Error()}
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		f.offset = max(int(s.Offset)-1, 0)
	}
	return f
}

// reader fills nodes from the tokens of a text.
type reader struct {
	text   []byte
	tokens *json.Decoder
}

func (r *reader) read(n *node) error {
	token, err := r.tokens.Token()
	if err != nil {
		return n.faultf("%v", err)
	}
	switch token {
	case json.Delim('{'):
		return r.readObject(n)
	case json.Delim('['):
		return r.readList(n)
	}
	n.value = token
	return nil
}

// next is the offset of the first byte of the next token.
func (r *reader) next() int {
	at := int(r.tokens.InputOffset())
	return at + len(r.text[at:]) - len(bytes.TrimLeft(r.text[at:], " \t\r\n,:"))
}

func (r *reader) readObject(n *node) error {
	var fields object
	n.value = fields
	seen := map[string]bool{}
	for r.tokens.More() {
		kid := &node{parent: n, offset: r.next()}
		key, err := r.tokens.Token()
		if err != nil {
			return kid.faultf("%v", err)
		}
		kid.key = key.(string)
		if seen[kid.key] {
			return kid.faultf("comes twice; keep one")
		}
		seen[kid.key] = true
		if err := r.read(kid); err != nil {
			return err
		}
		fields = append(fields, kid)
	}
	n.value = fields
	_, err := r.tokens.Token()
	return err
}

func (r *reader) readList(n *node) error {
	var items list
	n.value = items
	for r.tokens.More() {
		kid := &node{parent: n, index: len(items), offset: r.next()}
		if err := r.read(kid); err != nil {
			return err
		}
		items = append(items, kid)
	}
	n.value = items
	_, err := r.tokens.Token()
	return err
}

// fields returns an object's fields by key, and refuses keys that are not allowed.
func (n *node) fields(allowed ...string) (map[string]*node, error) {
	kids, ok := n.value.(object)
	if !ok {
		return nil, n.faultf("must be an object with %s", strings.Join(allowed, ", "))
	}
	byKey := make(map[string]*node, len(kids))
	for _, kid := range kids {
		if !slices.Contains(allowed, kid.key) {
			return nil, kid.faultf("unknown key; allowed: %s", strings.Join(allowed, ", "))
		}
		byKey[kid.key] = kid
	}
	return byKey, nil
}
