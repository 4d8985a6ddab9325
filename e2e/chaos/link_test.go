package chaos

import (
	"fmt"
	"strings"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// link is the network between one gateway and one server.
type link struct{ proxy *toxiproxy.Proxy }

func newLink(t *testing.T, name, server string) *link {
	t.Helper()
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	l := &link{toxiproxy.NewProxy(api, name, "127.0.0.1:0", server)}
	if err := l.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.proxy.Stop)
	return l
}

func (l *link) address() string { return l.proxy.Listen }

// toxic makes a link bad in both directions, for connections there are and for
// new ones.
type toxic struct{ kind, attributes string }

var (
	cut      = toxic{"reset_peer", `{"timeout":0}`}
	halfOpen = toxic{"timeout", `{"timeout":0}`} // nothing comes through, and nobody is told
	lingers  = toxic{"slow_close", `{"delay":1500}`}
)

// latency takes milliseconds; a way there and back takes it twice.
func latency(ms, jitter int) toxic {
	return toxic{"latency", fmt.Sprintf(`{"latency":%d,"jitter":%d}`, ms, jitter)}
}

func (l *link) poison(t *testing.T, bad toxic) {
	t.Helper()
	for _, direction := range []string{"upstream", "downstream"} {
		_, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(
			`{"type":%q,"stream":%q,"attributes":%s}`, bad.kind, direction, bad.attributes)))
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (l *link) heal(t *testing.T) { l.proxy.Toxics.ResetToxics(t.Context()) }
