package census

import (
	"context"
	_ "embed"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// sharedKey holds since when and until when was counted; the users of an hour are
	// in a HyperLogLog beside it, which the same slot of a Cluster holds.
	sharedKey = "sluice:{legacy}"
	// hours are merged to one number: the one that has begun, and 24 whole ones.
	hours = 25
	// gap is how long all gateways may be silent, as at a restart.
	gap = 10 * time.Minute
	// batch is how many users one script call takes.
	batch = 1000
)

var (
	//go:embed count.lua
	countSource string
	countScript = redis.NewScript(countSource)
)

// shared is the count that Redis keeps for all gateways.
type shared struct {
	client  redis.UniversalClient
	timeout time.Duration
}

// count adds users, and returns how many there are.
func (s *shared) count(ctx context.Context, ids []uint64) (Count, error) {
	for len(ids) > batch {
		if _, err := s.run(ctx, ids[:batch], false); err != nil {
			return Count{}, err
		}
		ids = ids[batch:]
	}
	reply, err := s.run(ctx, ids, true)
	if err != nil {
		return Count{}, err
	}
	if len(reply) != 2 || reply[0] < 0 || reply[1] < 0 {
		return Count{}, fmt.Errorf("unexpected reply %v", reply)
	}
	return Count{uint64(reply[0]), time.Now().Add(-time.Duration(reply[1]) * time.Second)}, nil
}

func (s *shared) run(ctx context.Context, ids []uint64, ask bool) ([]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	args := []any{hours, int(gap.Seconds()), ask}
	for _, id := range ids {
		args = append(args, binary.BigEndian.AppendUint64(nil, id))
	}
	return countScript.Run(ctx, s.client, []string{sharedKey}, args...).Int64Slice()
}
