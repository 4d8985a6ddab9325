package evidence

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"strconv"
	"testing"
	"time"

	"sluice/internal/redisconn"
	"sluice/internal/servertest"
)

func TestExchanges(t *testing.T) {
	client, err := redisconn.Open(servertest.StartRedis(t).URL, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	shared := func() Exchange { return &Shared{Client: client, Timeout: time.Second} }
	alone := &Alone{}
	for name, c := range map[string]struct {
		here, there Exchange
		names       []string
	}{"alone": {alone, alone, []string{"a"}}, "shared": {shared(), shared(), []string{"a", "b"}}} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			if all, err := c.here.All(ctx); err != nil || len(all) != 0 {
				t.Errorf("before anybody: %v, %v", all, err)
			}
			want := Counts{PollsOK: 12345678, StreamSeconds: 0.25, StalenessCount(Poll, math.Inf(1)): 1}
			for i, gateway := range c.names {
				if err := []Exchange{c.here, c.there}[i].Publish(ctx, gateway, Counts{PollsOK: 1}); err != nil {
					t.Fatal(err)
				}
				if err := []Exchange{c.here, c.there}[i].Publish(ctx, gateway, want); err != nil {
					t.Fatal(err)
				}
			}
			all, err := c.here.All(ctx)
			if err != nil || len(all) != len(c.names) {
				t.Fatalf("%v, %v", all, err)
			}
			for name, r := range all {
				if !maps.Equal(r.Counts, want) || r.Age < 0 || r.Age > time.Minute {
					t.Errorf("%s: %+v", name, r)
				}
			}
		})
	}
}

// Gateways that are gone are forgotten, and so is nonsense.
func TestGoneGatewaysAreForgotten(t *testing.T) {
	client, err := redisconn.Open(servertest.StartRedis(t).URL, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	s := &Shared{Client: client, Timeout: time.Second}
	old, _ := json.Marshal(published{time.Now().Add(-forgotten - time.Minute).Unix(), Counts{}})
	late, _ := json.Marshal(published{time.Now().Add(-forgotten + time.Minute).Unix(), Counts{}})
	if err := client.HSet(t.Context(), countsKey, "old", old, "late", late, "nonsense", "{").Err(); err != nil {
		t.Fatal(err)
	}
	all, err := s.All(t.Context())
	if _, ok := all["late"]; err != nil || len(all) != 1 || !ok {
		t.Errorf("%v, %v", all, err)
	}
	if left := client.HLen(t.Context(), countsKey).Val(); left != 1 {
		t.Errorf("%s are left", strconv.FormatInt(left, 10))
	}
	if err := s.Publish(t.Context(), "a", Counts{}); err != nil {
		t.Fatal(err)
	}
	if ttl := client.TTL(t.Context(), countsKey).Val(); ttl < forgotten {
		t.Errorf("all of it lasts %s", ttl)
	}
}

func TestExchangeWithoutRedis(t *testing.T) {
	client, err := redisconn.Open("redis://127.0.0.1:1", 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	s := &Shared{Client: client, Timeout: 50 * time.Millisecond}
	if err := s.Publish(t.Context(), "a", Counts{}); err == nil {
		t.Error("published nowhere")
	}
	if all, err := s.All(t.Context()); err == nil {
		t.Errorf("read %v from nowhere", all)
	}
}
