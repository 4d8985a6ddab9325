package census

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func wantUsers(t *testing.T, c *Census, want uint64) {
	t.Helper()
	if got, err := c.Count(); err != nil || got.Users != want {
		t.Errorf("%d users, want %d; %v", got.Users, want, err)
	}
}

func TestUsersAreDistinct(t *testing.T) {
	c := New(Options{})
	wantUsers(t, c, 0)
	for range 3 {
		c.Enter("alice")()
		c.Enter("bob")
	}
	wantUsers(t, c, 2)
}

// A user counts for a day after the end of the last stream, however long that was.
func TestADayAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{})
		start := time.Now()
		first, second := c.Enter("alice"), c.Enter("alice")
		c.Enter("bob")()
		time.Sleep(24 * time.Hour)
		wantUsers(t, c, 2)
		time.Sleep(time.Nanosecond)
		wantUsers(t, c, 1)
		first()
		time.Sleep(72 * time.Hour)
		wantUsers(t, c, 1)
		second()
		time.Sleep(24 * time.Hour)
		wantUsers(t, c, 1)
		time.Sleep(time.Nanosecond)
		wantUsers(t, c, 0)
		c.Enter("alice")
		wantUsers(t, c, 1)
		if got, _ := c.Count(); start.Sub(got.Since) > 1 || got.Since.After(start) {
			t.Errorf("counted since %s, began at %s", got.Since, start)
		}
	})
}

// Beyond what is kept the number is too low, but there is somebody.
func TestManyUsers(t *testing.T) {
	c := New(Options{})
	c.most = 100
	for i := range 2 * c.most {
		c.Enter(fmt.Sprint(i % (c.most + 10)))()
	}
	wantUsers(t, c, 100)
}

func TestManyStreamsAtATime(t *testing.T) {
	c := New(Options{})
	var streams sync.WaitGroup
	for i := range 50 {
		streams.Go(func() {
			for j := range 100 {
				leave := c.Enter(fmt.Sprint(i, j%10))
				_, _ = c.Count()
				leave()
			}
		})
	}
	streams.Wait()
	wantUsers(t, c, 500)
}
