package e2e

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/internal/servertest"
)

// marker is a secret by which it is known wherever it turns up.
func marker(name string) string { return "hush-" + name + "-0123456789abcdef0123456789" }

// secretEnviron has a value in every key that is secret; what they point at is not there.
func secretEnviron(t *testing.T) []string {
	t.Helper()
	cert, private := servertest.Certificate("sluice.test", time.Hour)
	nobody := freeAddress(t)
	return []string{
		"SLUICE_LISTEN=127.0.0.1:0", "SLUICE_ADMIN_LISTEN=127.0.0.1:0", "SLUICE_LOG_LEVEL=debug", "SLUICE_UPSTREAM_TIMEOUT=1s",
		"SLUICE_AUTH_KEY=" + marker("key"), "SLUICE_AUTH_OLD_KEY=" + marker("old-key"), "SLUICE_AUTH_SECRET=" + marker("secret"), "SLUICE_ADMIN_TOKEN=" + marker("token"),
		"SLUICE_STORE_DRIVER=postgres", "SLUICE_STORE_DSN=postgres://u:" + marker("dsn") + "@" + nobody + "/app?connect_timeout=1",
		"SLUICE_REDIS_URL=redis://u:" + marker("redis") + "@" + nobody + "/0", "SLUICE_ROLLOUT_WEBHOOK=http://" + nobody + "/" + marker("webhook"),
		"SLUICE_TLS_CERT=" + string(cert), "SLUICE_TLS_KEY=" + string(private), "SLUICE_UPSTREAM_URL=http://" + nobody,
	}
}

// leaks are the secrets in a text, as they are or in another notation.
func leaks(text string, environ []string) (found []string) {
	text = strings.ToLower(text)
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		secret := value[max(0, strings.Index(value, "hush-")):]
		switch {
		case name == "SLUICE_TLS_KEY":
			secret = strings.Split(value, "\n")[1]
		case !strings.Contains(value, "hush-"):
			continue
		}
		secret, _, _ = strings.Cut(secret, "@")
		for _, form := range []string{secret, hex.EncodeToString([]byte(secret)), base64.RawStdEncoding.EncodeToString([]byte(secret))[:len(secret)]} {
			if strings.Contains(text, strings.ToLower(form)) {
				found = append(found, name)
			}
		}
	}
	return found
}

// No secret shows in a log at its most talkative, in what the listeners answer, in what
// check and errors say, or when the process is made to crash with all its goroutines.
func TestSecretsNeverShow(t *testing.T) {
	environ := secretEnviron(t)
	if got := leaks("the key is "+marker("key"), environ); !slices.Equal(got, []string{"SLUICE_AUTH_KEY"}) {
		t.Fatalf("the test is blind: %v", got)
	}
	clean := func(what, text string) {
		t.Helper()
		if found := leaks(text, environ); found != nil || text == "" {
			t.Errorf("%s shows %v, in %d bytes", what, found, len(text))
		}
	}
	check := start(t, environ, "sluice", "check")
	if check.Status() == 0 {
		t.Error("check finds nothing wrong with servers that are not there")
	}
	clean("check", check.Stdout.String()+check.Stderr.String())
	bad := start(t, append(slices.Clone(environ), "SLUICE_POLL_INTERVAL=soon", "SLUICE_REDIS_URL=redis://u:"+marker("redis")+"@h:port"), "sluice", "serve")
	if bad.Status() == 0 {
		t.Error("a bad configuration is served")
	}
	clean("an error", bad.Stdout.String()+bad.Stderr.String())

	p := start(t, environ, "sluice", "serve")
	serving := p.Logged("serving")
	admin, public := "http://"+serving["admin"].(string), "https://"+serving["listen"].(string)
	for _, target := range []string{"/metrics", "/readyz", "/rollout", "/healthz", "/internal/changed", "/config"} {
		clean(target, ask(t, http.MethodGet, admin+target)+ask(t, http.MethodPost, admin+target))
	}
	for _, target := range []string{"/api/notifications", "/_sluice/config", "/page"} {
		clean(target, ask(t, http.MethodGet, public+target+"?token="+marker("query")))
	}
	p.Signal(syscall.SIGHUP)
	p.Logged("request")
	p.Signal(syscall.SIGQUIT) // a crash: the runtime writes every goroutine's stack
	if p.Status() != 2 || !strings.Contains(p.Stderr.String(), "goroutine 1 ") {
		t.Errorf("it did not crash: %d", p.Status())
	}
	clean("the log", p.Stderr.String())
	for _, theirs := range []string{marker("query"), "eyJ"} { // as every token begins
		if strings.Contains(p.Stderr.String(), theirs) {
			t.Error("the log shows what a user has sent")
		}
	}
}

// ask is all of an answer, to alice.
func ask(t *testing.T, method, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(`{"user_id":"alice"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", cookieOf("alice"))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}, Timeout: servertest.Patience}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(resp.Status, resp.Header, string(body))
}
