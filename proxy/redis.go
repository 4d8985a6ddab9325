package proxy

import (
	"context"
	"time"
)

// redisEvery is how often Redis is asked whether it is there. Polls do not tell:
// they leave a Redis alone that failed, and at night there are none.
const redisEvery = 5 * time.Second

// askRedis keeps redis_up true until ctx ends.
func (g *Gateway) askRedis(ctx context.Context) {
	tick := time.NewTicker(redisEvery)
	defer tick.Stop()
	for {
		g.metrics.redisUp.Set(g.redisAnswers(ctx))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// redisAnswers is 1 or 0.
func (g *Gateway) redisAnswers(ctx context.Context) float64 {
	ctx, cancel := context.WithTimeout(ctx, max(g.config.Redis.Timeout, time.Second))
	defer cancel()
	if g.redis.Ping(ctx).Err() != nil {
		return 0
	}
	return 1
}
