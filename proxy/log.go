package proxy

import (
	"errors"
	"io"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"sluice/proxy/config"
)

// Lines of requests wait for each other, since to write each by itself costs as much as
// to make it: for so long, or until there are so many bytes of them.
const (
	linesWait = 200 * time.Millisecond
	linesMost = 64 << 10
)

// requestLine is the message of a request's line.
const requestLine = "request"

// newLogger writes to w, in JSON for machines or as text for people. Whoever called it
// calls stop at the end, which writes what still waits.
func newLogger(c config.Log, w io.Writer) (log *zap.Logger, stop func() error, err error) {
	level, err := zapcore.ParseLevel(c.Level)
	if err != nil {
		return nil, nil, err
	}
	style := zap.NewProductionEncoderConfig()
	style.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	style.TimeKey = "time"
	encoder := zapcore.NewJSONEncoder(style)
	if c.Format == "console" {
		encoder = zapcore.NewConsoleEncoder(style)
	}
	// A file is flushed to, and not to its disk as well.
	lines := &zapcore.BufferedWriteSyncer{WS: zapcore.AddSync(struct{ io.Writer }{w}), Size: linesMost, FlushInterval: linesWait}
	return zap.New(prompt{zapcore.NewCore(encoder, lines, level)}), lines.Stop, nil
}

// prompt writes at once what somebody may wait for, or what may be the last: all but the
// lines of requests that went well.
type prompt struct{ zapcore.Core }

func (p prompt) With(fields []zapcore.Field) zapcore.Core { return prompt{p.Core.With(fields)} }

func (p prompt) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if p.Enabled(e.Level) {
		return ce.AddCore(e, p)
	}
	return ce
}

func (p prompt) Write(e zapcore.Entry, fields []zapcore.Field) error {
	err := p.Core.Write(e, fields)
	if e.Message == requestLine && e.Level <= zapcore.InfoLevel {
		return err
	}
	return errors.Join(err, p.Sync())
}
