package feed

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Channel is the Redis channel on which the app, and a gateway that was told,
// publish the id of a user whose data has changed.
const Channel = "sluice:changed"

// Listen passes on what is published on Channel until ctx ends. It reconnects by
// itself; what is published meanwhile is lost.
func (f *Feed) Listen(ctx context.Context, client redis.UniversalClient) {
	sub := client.Subscribe(ctx, Channel)
	defer func() { _ = sub.Close() }()
	messages := sub.Channel()
	for {
		select {
		case <-ctx.Done():
			return
		case m, ok := <-messages:
			if !ok {
				return
			}
			f.Signal(ctx, m.Payload)
		}
	}
}
