package proxy

import (
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"sluice/proxy/config"
)

// newLogger writes to w, in JSON for machines or as text for people.
func newLogger(c config.Log, w io.Writer) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(c.Level)
	if err != nil {
		return nil, err
	}
	style := zap.NewProductionEncoderConfig()
	style.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	style.TimeKey = "time"
	encoder := zapcore.NewJSONEncoder(style)
	if c.Format == "console" {
		encoder = zapcore.NewConsoleEncoder(style)
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), level)), nil
}
