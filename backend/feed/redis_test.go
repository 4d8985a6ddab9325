package feed

import (
	"context"
	"sync"
	"testing"

	"sluice/internal/redisconn"
	"sluice/internal/servertest"
)

func TestListen(t *testing.T) {
	server := servertest.StartRedis(t)
	client, err := redisconn.Open(server.URL, servertest.Patience)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	f := New(Options{Forget: func(context.Context, ...string) {}})
	woken, stop := f.Watch("alice")
	defer stop()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { f.Listen(ctx, client) })
	defer group.Wait()
	defer cancel()
	heard := func() bool {
		client.Publish(ctx, Channel, "alice")
		select {
		case <-woken:
			return true
		default:
			return false
		}
	}
	servertest.Eventually(t, "what is published is heard", heard)
	server.Kill()
	server.Start(t)
	servertest.Eventually(t, "it is heard again after Redis was restarted", heard)
}
