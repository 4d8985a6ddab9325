package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

// expiresSoon is when a certificate should have been renewed: ACME clients begin 30
// days before the end, so something is wrong with 14.
const expiresSoon = 14 * 24 * time.Hour

// Certificate is the pair, parsed, or nil without one. Its errors show nothing of it.
func (t TLS) Certificate() (*tls.Certificate, error) {
	cert, key := t.Cert.Value(), t.Key.Value()
	if cert == "" && key == "" {
		return nil, nil
	}
	if cert == "" || key == "" {
		return nil, errors.New("tls.cert and tls.key belong together; one of them is empty")
	}
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		return nil, fmt.Errorf("%w; both are PEM, and the name of a file goes into tls.cert_file or tls.key_file", err)
	}
	return &pair, nil
}

func (l *loader) checkTLS(now time.Time) {
	pair, err := l.config.TLS.Certificate()
	l.require(err == nil, fmt.Sprint(err), "tls.cert", "tls.key")
	if pair == nil {
		return
	}
	if end := pair.Leaf.NotAfter; end.Before(now.Add(expiresSoon)) {
		state := "expires"
		if end.Before(now) {
			state = "has expired"
		}
		l.warnings = append(l.warnings, fmt.Sprintf("%s: tls.cert: %s at %s", l.origin("tls.cert"), state, end.UTC().Format(time.RFC3339)))
	}
}
