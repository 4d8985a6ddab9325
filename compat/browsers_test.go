package compat

import (
	"sync"
	"testing"
	"time"

	"sluice/backend"
	"sluice/internal/redisconn"
	"sluice/internal/servertest"
)

// TestBrowsers is what every Browsers promises.
func TestBrowsers(t *testing.T) {
	server := servertest.StartRedis(t)
	client, err := redisconn.Open(server.URL, servertest.Patience)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for name, known := range map[string]Browsers{"memory": NewMemory(), "redis": NewRedis(client, servertest.Patience)} {
		t.Run(name, func(t *testing.T) {
			update := func(browser string, change func(*Browser)) {
				t.Helper()
				if err := known.Update(t.Context(), browser, change); err != nil {
					t.Error(err)
				}
			}
			var group sync.WaitGroup
			for i := range 8 {
				group.Go(func() {
					// Items pass on streams of one browser, not all of them at the same gateway.
					for j := range 5 {
						for known.Update(t.Context(), "x", func(b *Browser) { b.pass([]backend.Key{{At: int64(10*i+j) * 1e6, ID: "a"}}, time.Now()) }) != nil {
							t.Log("once more: too many at the same time")
						}
					}
				})
			}
			group.Wait()
			update("x", func(b *Browser) {
				if n := len(b.Passed.Keys); n != 40 {
					t.Errorf("%d of 40 updates were kept", n)
				}
			})
			update("y", func(b *Browser) {
				if !b.empty() {
					t.Errorf("a new browser is %+v", b)
				}
			})
		})
	}
	keys, err := client.Keys(t.Context(), browserPrefix+"*").Result()
	if err != nil || len(keys) != 1 || keys[0] != browserPrefix+"x" {
		t.Errorf("keys %q, %v: of nothing nothing is stored", keys, err)
	}
	if ttl := client.PTTL(t.Context(), browserPrefix+"x").Val(); ttl <= 0 || ttl > browserLife {
		t.Errorf("a browser is remembered for %s", ttl)
	}
	if err := client.Set(t.Context(), browserPrefix+"x", "{damaged", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := NewRedis(client, servertest.Patience).Update(t.Context(), "x", func(b *Browser) { b.Cursor = "0" }); err != nil {
		t.Errorf("a damaged entry: %v", err)
	}
}
