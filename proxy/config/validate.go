package config

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/net/http/httpguts"

	"sluice/internal/redisconn"
)

// checks are the tests of single values that the check tag names. Their errors follow the key. Those of secrets and of URLs,
// which may hold a password, must not quote the value or wrap an error that does.
var checks = map[string]func(text string) error{
	"address":       checkAddress,
	"app-url":       checkAppURL,
	"cookie-name":   checkCookieName,
	"header-name":   checkHeaderName,
	"network":       checkNetwork,
	"origin":        checkOrigin,
	"path-or-url":   checkPathOrURL,
	"present":       checkPresent,
	"redis-url":     checkRedisURL,
	"url":           checkURL,
	"webhook-url":   checkWebhookURL,
	"whole-seconds": checkWholeSeconds,
}

func checkAddress(text string) error {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return fmt.Errorf("%q is not host:port", text)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q has no port from 0 to 65535", text)
	}
	return nil
}

func checkAppURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return errors.New("is not a URL such as http://127.0.0.1:8000")
	}
	if u.User != nil || (u.Path != "" && u.Path != "/") || strings.ContainsAny(text, "?#") {
		return errors.New("must be scheme, host and port only, without user, path, query or fragment")
	}
	if _, err := strconv.ParseUint(u.Port(), 10, 16); err != nil && u.Port() != "" {
		return errors.New("has a port above 65535")
	}
	return nil
}

// checkCookieName follows RFC 6265, section 4.1.1.
func checkCookieName(text string) error {
	if (&http.Cookie{Name: text}).Valid() != nil { //nolint:gosec // G124: only its name is looked at
		return fmt.Errorf("%q is not a cookie name", text)
	}
	return nil
}

// checkHeaderName follows RFC 9110, section 5.1. What HTTP itself uses names nobody.
func checkHeaderName(text string) error {
	if !httpguts.ValidHeaderFieldName(text) {
		return fmt.Errorf("%q is not the name of a header", text)
	}
	switch http.CanonicalHeaderKey(text) {
	case "Authorization", "Connection", "Content-Length", "Cookie", "Host", "Transfer-Encoding", "Upgrade":
		return fmt.Errorf("%q cannot name a user", text)
	}
	return nil
}

func checkNetwork(text string) error {
	if p, err := netip.ParsePrefix(text); err != nil || p != p.Masked() {
		return fmt.Errorf("%q is not a network such as 10.0.0.0/8 or ::1/128", text)
	}
	return nil
}

// checkOrigin takes what a browser writes into Origin, since that is compared byte for
// byte (RFC 6454, section 6.2): no path, no default port, the host in small ASCII letters.
func checkOrigin(text string) error {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || strings.Contains(text, "*") {
		return fmt.Errorf("%q is not an origin such as https://app.example or http://localhost:3000; there are no patterns", text)
	}
	port := u.Port()
	if _, err := strconv.ParseUint(port, 10, 16); u.Scheme+"://"+u.Host != text || port == "" && strings.HasSuffix(text, ":") || port != "" && err != nil {
		return fmt.Errorf("%q must be scheme, host and port only, without a slash at the end", text)
	}
	if u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		return fmt.Errorf("%q names the usual port, which browsers leave out", text)
	}
	if strings.ContainsFunc(text, func(c rune) bool { return c > '~' || c >= 'A' && c <= 'Z' }) {
		return fmt.Errorf("%q must be in small letters, and the host as in xn--bcher-kva.example, as browsers write it", text)
	}
	return nil
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	if text != "" && (err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil) {
		return errors.New("is not a URL such as https://issuer.example/jwks.json, without a password")
	}
	return nil
}

func checkPathOrURL(text string) error {
	if u, err := url.Parse(text); err == nil && strings.HasPrefix(text, "/") && u.Host == "" {
		return nil
	}
	if text == "" || checkURL(text) != nil {
		return errors.New("is neither a path such as /auth/me nor a URL such as https://id.example/me, without a password")
	}
	return nil
}

func checkPresent(text string) error {
	if text == "" {
		return errors.New("is empty")
	}
	return nil
}

func checkRedisURL(text string) error {
	if text == "" {
		return nil
	}
	return redisconn.Check(text)
}

// checkWebhookURL does not quote: the path of a webhook is often its password.
func checkWebhookURL(text string) error {
	u, err := url.Parse(text)
	if text != "" && (err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "") {
		return errors.New("is not a URL such as https://hooks.example/sluice")
	}
	return nil
}

// checkWholeSeconds leaves texts that are no duration to the parser.
func checkWholeSeconds(text string) error {
	if d, err := time.ParseDuration(text); err == nil && d%time.Second != 0 {
		return fmt.Errorf("%q is not whole seconds", text)
	}
	return nil
}

// minKey is the least size of an HS256 key (RFC 7518, section 3.2), in bytes.
const minKey = 32

// minSecret is the least size of what a proxy in front shares with Sluice, in bytes:
// 128 bits, beyond guessing.
const minSecret = 16

// checkTogether holds the rules between keys. All keys must be right by themselves.
func (l *loader) checkTogether() {
	c := l.config
	l.require(!sameAddress(c.Listen, c.Admin.Listen), "must not be the same address", "admin.listen", "listen")
	l.checkStore()
	l.require(c.Poll.Ceiling >= c.Poll.Interval, "poll.ceiling must not be below poll.interval", "poll.ceiling", "poll.interval")
	l.require(c.Poll.LimitDefault <= c.Poll.LimitMax, "poll.limit_default must not be above poll.limit_max", "poll.limit_default", "poll.limit_max")
	l.require(c.Drain.Deadline >= c.Drain.Grace, "drain.deadline must not be below drain.grace", "drain.deadline", "drain.grace")
	l.checkAuth()
	l.checkTLS(time.Now())
}

func (l *loader) checkAuth() {
	a := l.config.Auth
	if n := len(a.Key.Value()); n > 0 && n < minKey {
		l.warnings = append(l.warnings, fmt.Sprintf("%s: auth.key: shorter than %d bytes; a short key can be guessed", l.origin("auth.key"), minKey))
	}
	n := len(a.Secret.Value())
	l.require(n == 0 || n >= minSecret, fmt.Sprintf("must have at least %d bytes", minSecret), "auth.secret")
	l.require(a.OldKey.Value() == "" || a.Key.Value() != "", "is set, and auth.key is not", "auth.old_key")
}

// require notes an error if a rule between keys does not hold. Of these keys the error names the first that was set.
func (l *loader) require(holds bool, rule string, keys ...string) {
	if holds {
		return
	}
	for _, key := range keys {
		if at := l.origin(key); at != "" {
			l.errs = append(l.errs, fmt.Errorf("%s: %s: %s", at, key, rule))
			return
		}
	}
	panic("config: the defaults break the rule: " + rule) // a fault in config.go, which the tests catch
}

func (l *loader) checkStore() {
	dsn := l.config.Store.DSN.Value()
	switch l.config.Store.Driver {
	case "upstream":
		l.require(dsn == "", "store.driver upstream takes no store.dsn", "store.dsn", "store.driver")
	case "sqlite":
		l.require(dsn != "", "store.driver sqlite needs store.dsn, the path of the app's database", "store.driver")
		l.require(strings.HasPrefix(dsn, "file:") || !strings.Contains(dsn, "://"), "store.driver sqlite takes a path or a file: URL", "store.dsn")
	case "postgres":
		l.require(dsn != "", "store.driver postgres needs store.dsn, the address of the app's database", "store.driver")
		l.require(isPostgres(dsn), "store.driver postgres takes a URL such as postgres://user@host:5432/app, or text such as host=db dbname=app", "store.dsn", "store.driver")
	}
}

// isPostgres leaves out pgx's own error, which may quote the password.
func isPostgres(dsn string) bool {
	_, err := pgconn.ParseConfig(dsn)
	return err == nil
}

// sameAddress says whether two listeners would want the same port of the same interface. Port 0 is never the same.
func sameAddress(a, b string) bool {
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	numberA, _ := strconv.Atoi(portA)
	numberB, _ := strconv.Atoi(portB)
	return numberA == numberB && numberA != 0 && (hostA == hostB || everyInterface(hostA) || everyInterface(hostB))
}

func everyInterface(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || (ip != nil && ip.IsUnspecified())
}
