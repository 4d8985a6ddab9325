package proxy

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"sluice/proxy/config"
)

// paper is a log that counts how often it is written to.
type paper struct {
	mu     sync.Mutex
	text   bytes.Buffer
	writes int
	err    error
}

func (p *paper) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return 0, p.err
	}
	p.writes++
	return p.text.Write(b)
}

// says tells which of the words the log holds, in their order, and by how many writes.
func (p *paper) says() (words string, writes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for line := range strings.Lines(p.text.String()) {
		_, rest, _ := strings.Cut(line, `"word":"`)
		word, _, _ := strings.Cut(rest, `"`)
		words += word + " "
	}
	return words, p.writes
}

// Lines of requests wait for each other for a moment; nothing that somebody may wait for
// does, and nothing is lost or out of order.
func TestRequestLinesWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &paper{}
		log, stop, err := newLogger(config.Default().Log, p)
		if err != nil {
			t.Fatal(err)
		}
		expect := func(words string, writes int) {
			t.Helper()
			synctest.Wait()
			if w, n := p.says(); w != words || n != writes {
				t.Errorf("%q by %d writes, want %q by %d", w, n, words, writes)
			}
		}
		line := func(word string) { log.Info(requestLine, zap.String("word", word)) }
		line("one")
		line("two")
		expect("", 0)
		time.Sleep(linesWait)
		expect("one two ", 1)
		line("three")
		log.With(zap.Bool("x", true)).Named("y").Info("serving", zap.String("word", "four"))
		expect("one two three four ", 2)
		log.Warn(requestLine, zap.String("word", "five"))
		expect("one two three four five ", 3)
		line("six")
		if err := stop(); err != nil {
			t.Error(err)
		}
		expect("one two three four five six ", 4)
	})
}

// Many lines are not kept in memory until their time has come.
func TestManyRequestLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &paper{}
		log, stop, err := newLogger(config.Default().Log, p)
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			log.Info(requestLine, zap.String("word", strings.Repeat("x", linesMost/50)))
		}
		if _, writes := p.says(); writes < 2 || writes > 4 {
			t.Errorf("%d writes", writes)
		}
		p.err = errors.New("full")
		if err := stop(); err == nil {
			t.Error("what could not be written is not told")
		}
	})
}
