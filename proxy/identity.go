package proxy

import (
	"context"
	"net/netip"
	"strings"

	"go.uber.org/zap"

	"sluice/proxy/auth"
	"sluice/proxy/config"
)

// newAuthenticator is what auth.mode says.
func (g *Gateway) newAuthenticator() auth.Authenticator {
	c := g.config.Auth
	switch c.Mode {
	case "forward":
		return auth.NewForward(auth.ForwardOptions{URL: forwardURL(g.config), Cookie: c.Cookie, Timeout: g.config.Upstream.Timeout})
	case "header":
		return auth.NewHeader(auth.HeaderOptions{Name: c.Header, Proxies: g.proxies(), Secret: []byte(c.Secret.Value())})
	}
	o := auth.JWTOptions{Cookie: c.Cookie, Claim: c.Claim, Algorithms: c.Algorithms, Audience: c.Audience, Issuer: c.Issuer, Keys: signingKeys(c)}
	if c.JWKSURL != "" {
		o.Published = auth.NewJWKS(c.JWKSURL, func(err error) {
			g.log.Warn("auth.jwks_url: the published keys could not be read; those known stay", zap.Error(err))
		})
	}
	return auth.NewJWT(o)
}

// setSecrets takes over new keys and secrets; what they replace is good for nothing
// from then on.
func (g *Gateway) setSecrets(c config.Auth) {
	switch a := g.auth.(type) {
	case *auth.JWT:
		a.SetKeys(signingKeys(c))
	case *auth.Header:
		a.SetSecret([]byte(c.Secret.Value()))
	}
}

// checkAuth looks at who is asked, besides the configuration.
func checkAuth(ctx context.Context, c config.Config) error {
	if err := c.CheckServe(); err != nil {
		return err
	}
	switch {
	case c.Auth.Mode == "forward":
		f := auth.NewForward(auth.ForwardOptions{URL: forwardURL(c), Cookie: c.Auth.Cookie, Timeout: c.Upstream.Timeout})
		defer f.Close()
		return f.Check(ctx)
	case c.Auth.Mode == "jwt" && c.Auth.JWKSURL != "":
		return auth.CheckJWKS(ctx, c.Auth.JWKSURL)
	}
	return nil
}

// signingKeys are the secrets whose tokens are good.
func signingKeys(c config.Auth) (keys [][]byte) {
	for _, s := range []config.Secret{c.Key, c.OldKey} {
		if s.Value() != "" {
			keys = append(keys, []byte(s.Value()))
		}
	}
	return keys
}

// forwardURL is a path on the app, or somewhere else.
func forwardURL(c config.Config) string {
	if strings.HasPrefix(c.Auth.ForwardURL, "/") {
		return strings.TrimSuffix(c.Upstream.URL, "/") + c.Auth.ForwardURL
	}
	return c.Auth.ForwardURL
}

// proxies are those in front.
func (g *Gateway) proxies() (all auth.Peers) {
	for _, text := range g.config.TrustedProxies {
		all = append(all, netip.MustParsePrefix(text)) // config has checked them
	}
	return all
}

// credentialName is that of the cookie, or of the header, which the app goes by.
func credentialName(c config.Config) string {
	if c.Auth.Mode == "header" {
		return c.Auth.Header
	}
	return c.Auth.Cookie
}
