package shim

import (
	"errors"
	"io"
	"slices"
	"time"
)

const (
	// mostAhead is how much of a page is read to find its head, in bytes.
	mostAhead = 16 << 10
	// patience is how long an answer is held back for that. Nothing can be seen of a
	// page before its head, but what is in front of Sluice waits for the header.
	patience = 2 * time.Second
)

// body is the body of a page that has been read ahead of its reader.
type body struct {
	io.ReadCloser
	begin  []byte    // read ahead, and not handed on yet
	coming chan read // of a read that is under way
	err    error     // how the reading ahead ended
}

type read struct {
	n   int
	err error
}

func readAhead(of io.ReadCloser) *body {
	return &body{ReadCloser: of, begin: make([]byte, 0, mostAhead)}
}

// head reads until it is known whether and where the page has a head. The app may
// pause for ever, and a read cannot be called off: one that is still under way at
// the end is left to Read.
func (b *body) head() (at int, r Result) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		b.start()
		select {
		case r := <-b.coming:
			b.take(r)
		case <-timer.C:
			return 0, Late
		}
		switch at, s := findHead(b.begin); {
		case s == found:
			return at, Injected
		case s == absent || errors.Is(b.err, io.EOF) || len(b.begin) == cap(b.begin):
			return 0, NoHead
		case b.err != nil:
			return 0, NoPage // it broke off: nobody can say
		}
	}
}

// start starts a read into the room behind what is there.
func (b *body) start() {
	coming, room := make(chan read, 1), b.begin[len(b.begin):cap(b.begin)]
	b.coming = coming
	go func() {
		n, err := b.ReadCloser.Read(room)
		coming <- read{n, err}
	}()
}

func (b *body) take(r read) {
	b.begin, b.err, b.coming = b.begin[:len(b.begin)+r.n], r.err, nil
}

func (b *body) insert(at int, text string) {
	b.begin = slices.Insert(b.begin, at, []byte(text)...)
}

func (b *body) Read(p []byte) (int, error) {
	if len(b.begin) == 0 && b.coming != nil {
		b.take(<-b.coming)
	}
	if len(b.begin) > 0 {
		n := copy(p, b.begin)
		b.begin = b.begin[n:]
		return n, nil
	}
	if b.err != nil {
		return 0, b.err
	}
	return b.ReadCloser.Read(p)
}
