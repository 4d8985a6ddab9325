package proxy

import (
	"crypto/tls"
	"net"
	"net/http"

	"sluice/proxy/config"
)

// protocols are what the public listener speaks: HTTP/2 by ALPN over TLS, and over
// plain connections for proxies in front that begin with it (RFC 9113, section 3.3).
func protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// tlsConfig is nil for a listener that speaks plain HTTP. What is older than TLS 1.2
// is deprecated (RFC 8996); ciphers and curves are Go's choice, which updates keep
// good.
func (g *Gateway) tlsConfig() *tls.Config {
	if g.certificate.Load() == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return g.certificate.Load(), nil },
	}
}

// accept serves what the public listener's connections ask.
func (g *Gateway) accept(s *http.Server, l net.Listener) error {
	if g.certificate.Load() == nil {
		return s.Serve(l)
	}
	return s.ServeTLS(l, "", "")
}

// setCertificate takes over another certificate, which new connections are shown.
func (g *Gateway) setCertificate(c config.TLS) error {
	pair, err := c.Certificate()
	if err == nil {
		g.certificate.Store(pair)
	}
	return err
}
