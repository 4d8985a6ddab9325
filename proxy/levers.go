package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"sluice/rollout"
)

// Levers are what the demo's control room can move. They are safe for concurrent
// use.
type Levers struct {
	gateway *Gateway
	moving  sync.Mutex // guards parts
	parts   map[string]part
	flags   sync.Mutex // held by who rewrites the file, until that is in force
	file    string
}

// part is something that can be stopped and started again.
type part interface {
	state() (running bool, absent string)
	start() error
	stop() error
}

// Part tells whether a part runs; absent, if not empty, why there is none.
func (l *Levers) Part(name string) (running bool, absent string) {
	l.moving.Lock()
	defer l.moving.Unlock()
	return l.parts[name].state()
}

// Turn starts or stops a part, and returns when it has.
func (l *Levers) Turn(name string, on bool) error {
	l.moving.Lock()
	defer l.moving.Unlock()
	p := l.parts[name]
	switch running, absent := p.state(); {
	case absent != "":
		return errors.New(absent)
	case running == on:
		return nil
	case on:
		return p.start()
	}
	return p.stop()
}

// sides is where the flags put a user.
type sides struct {
	transport rollout.Transport
	stream    rollout.Stream
}

// demoPeople puts each user of the sample app on a different side of the move.
var demoPeople = map[string]sides{
	"alice": {rollout.Poll, rollout.Bridge},
	"bob":   {rollout.SSE, rollout.Upstream},
	"carol": {rollout.SSE, rollout.Bridge},
}

// Flags are the values that the gateway goes by.
func (l *Levers) Flags(user string) (transport, stream string) {
	now := l.inForce(user)
	return string(now.transport), string(now.stream)
}

func (l *Levers) inForce(user string) sides {
	flags, ctx := l.gateway.flags, context.Background()
	return sides{flags.Transport(ctx, user), flags.Stream(ctx, user)}
}

// flagPatience is some looks of the gateway at its file.
const flagPatience = 10 * time.Second

// SetFlags rewrites the flag file, and returns when the gateway has seen it. All
// others stay where they are, whoever put them there.
func (l *Levers) SetFlags(user, transport, stream string) error {
	l.flags.Lock()
	defer l.flags.Unlock()
	people, want := map[string]sides{}, sides{rollout.Transport(transport), rollout.Stream(stream)}
	for name := range demoPeople {
		people[name] = l.inForce(name)
	}
	people[user] = want
	if err := l.write(people); err != nil {
		return err
	}
	for end := time.Now().Add(flagPatience); l.inForce(user) != want; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("the gateway has not taken over %s within %s", l.file, flagPatience)
		}
	}
	return nil
}

// write replaces the flag file in one step, as an operator's editor does.
func (l *Levers) write(people map[string]sides) error {
	transports, streams := []any{}, []any{}
	for _, user := range slices.Sorted(maps.Keys(people)) {
		is := map[string]any{"==": []any{map[string]string{"var": "targetingKey"}, user}}
		transports = append(transports, is, people[user].transport)
		streams = append(streams, is, people[user].stream)
	}
	text, err := json.MarshalIndent(map[string]any{"flags": map[string]any{
		rollout.TransportFlag: flagOf(transports, rollout.SSE, rollout.Poll),
		rollout.StreamFlag:    flagOf(streams, rollout.Bridge, rollout.Upstream, rollout.Retired),
	}}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(l.file+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(l.file+".new", l.file)
}

// flagOf is a flag in flagd's format, with the first of its values for everybody
// whom the chain does not name.
func flagOf[V ~string](chain []any, values ...V) map[string]any {
	variants := map[V]V{}
	for _, v := range values {
		variants[v] = v
	}
	return map[string]any{
		"state": "ENABLED", "variants": variants, "defaultVariant": values[0], "targeting": map[string]any{"if": chain},
	}
}

// Figures are what the gateway's own metrics say: polls answered and reads of the
// database since the start, and bridged streams now open.
func (l *Levers) Figures() map[string]float64 {
	figures := map[string]float64{}
	families, err := l.gateway.metrics.registry.Gather()
	if err != nil {
		return figures // the page shows none
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			switch family.GetName() {
			case namespace + "_polls_total":
				figures["polls"] += m.GetCounter().GetValue()
			case namespace + "_source_requests_total":
				figures["reads"] += m.GetCounter().GetValue()
			case namespace + "_compat_streams":
				figures["streams"] += m.GetGauge().GetValue()
			}
		}
	}
	return figures
}
