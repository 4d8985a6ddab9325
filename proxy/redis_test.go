package proxy

import (
	"testing"

	"sluice/internal/servertest"
	"sluice/proxy/config"
)

// Nobody polls here: whether Redis is there is known all the same.
func TestRedisUp(t *testing.T) {
	server := servertest.StartRedis(t)
	r := newRig(t, func(c *config.Config) { c.Redis.URL = config.NewSecret(server.URL) })
	r.watch()
	servertest.Eventually(t, "it is up", func() bool { return r.counts("redis_up 1") })
	server.Kill()
	servertest.Eventually(t, "it is down", func() bool { return r.counts("redis_up 0") })
	server.Start(t)
	servertest.Eventually(t, "it is up again", func() bool { return r.counts("redis_up 1") })
	server.Freeze()
	servertest.Eventually(t, "it hangs", func() bool { return r.counts("redis_up 0") })
	server.Thaw()
}
