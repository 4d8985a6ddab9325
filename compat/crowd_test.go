package compat

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// With as many streams open as there may be, further ones bring what waits, end soon
// and ask their readers to stay away for some time.
func TestStreamsBeyondTheMostEndSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &rows{}
		source.add(time.Minute, "a")
		b := New(Options{Source: source, Interval: func() time.Duration { return interval }, Heartbeat: beat, MaxDuration: maxDuration, OldPageDuration: oldPage, Observer: &tally{}, Most: 2})
		first, second := connect(b, ""), connect(b, "")
		synctest.Wait()
		r := httptest.NewRequest(http.MethodGet, "/api/stream", nil)
		r.Header.Set("User-Agent", "another browser")
		third := request(b, r, time.Now().Add(time.Hour))
		if took := third.lasted(); took > crowdedBound || took < crowdedBound*9/10 {
			t.Errorf("the third lasted %v", took)
		}
		got := third.now(t)
		wantIDs(t, got, "a")
		if got.retries[0] < int(troubleFloor.Milliseconds()) {
			t.Errorf("asked back after %d ms", got.retries[0])
		}
		if !first.isOpen() || !second.isOpen() {
			t.Error("a stream that was there made room")
		}
		if retry := first.now(t).retries[0]; retry >= int(troubleFloor.Milliseconds()) {
			t.Errorf("the first is asked back after %d ms", retry)
		}
		first.close()
		fourth := connect(b, "")
		time.Sleep(beat)
		if !fourth.isOpen() {
			t.Error("a place that was left is not used")
		}
		second.close()
		fourth.close()
	})
}

// Who opens streams too often is back in time to prove that it saw the end; else it
// would have to begin anew, and might lose what is older than a reader without a place
// is given. Its streams are short, so that it takes nobody else's place.
func TestAnEagerReaderCanProveItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &rows{}
		source.add(time.Minute, "a")
		b := New(Options{
			Source: source, Interval: func() time.Duration { return interval }, Heartbeat: beat, MaxDuration: maxDuration, OldPageDuration: oldPage,
			Observer: &tally{}, Eager: func(string) bool { return true },
		})
		for range 20 {
			o := connect(b, "")
			synctest.Wait()
			retry := time.Duration(o.now(t).retries[0]) * time.Millisecond
			if time.Sleep(crowdedBound); o.isOpen() {
				t.Error("its stream takes a place for long")
			}
			o.close()
			if retry < eagerFloor || retry > proofWithin-proofFrom {
				t.Errorf("asked back after %v, and proof is until %v", retry, proofWithin)
			}
		}
	})
}
