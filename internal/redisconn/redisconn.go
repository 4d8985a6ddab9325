// Package redisconn opens the one Redis client of a gateway from the address in
// its configuration: a single server, a Sentinel group or a Cluster.
package redisconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// forms is what an address may look like, for error messages.
const forms = "redis://host:6379/0, rediss://host:6379, unix:///run/redis.sock, " +
	"redis://sentinel:26379?master_name=NAME&addr=sentinel2:26379 or redis://node:6379?cluster=true&addr=node2:6379"

// go-redis writes to standard error by itself; what it has to say reaches the
// operator as operations that failed.
func init() { redis.SetLogger(silence{}) }

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// Open prepares a client; it does not connect. timeout bounds each step of an
// operation; nothing is tried twice, since a cache that fails is left out.
func Open(address string, timeout time.Duration) (redis.UniversalClient, error) {
	o, err := parse(address)
	if err != nil {
		return nil, err
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = timeout, timeout, timeout, timeout
	o.MaxRetries = -1
	o.DialerRetries = 1
	o.ContextTimeoutEnabled = true
	o.DisableIdentity = true
	return redis.NewUniversalClient(o), nil
}

// Check reports what is wrong with an address, without quoting it: it may hold a
// password.
func Check(address string) error {
	_, err := parse(address)
	return err
}

// parse takes only what says where the server is. Options that would let reads
// go to a replica are refused with all others: a replica may have forgotten what
// its primary was told.
func parse(address string) (*redis.UniversalOptions, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("is not an address such as " + forms)
	}
	query := u.Query()
	u.RawQuery = ""
	one, err := redis.ParseURL(u.String())
	if err != nil || strings.Contains(one.Addr, ",") {
		return nil, errors.New("is not an address such as " + forms)
	}
	o := &redis.UniversalOptions{
		Addrs: []string{one.Addr}, Username: one.Username, Password: one.Password, DB: one.DB, TLSConfig: one.TLSConfig,
	}
	for name, values := range query {
		if err := set(o, name, values); err != nil {
			return nil, err
		}
	}
	return o, consistent(o, u.Scheme)
}

func set(o *redis.UniversalOptions, name string, values []string) error {
	if name == "addr" {
		for _, addr := range values {
			if _, _, err := net.SplitHostPort(addr); err != nil {
				return errors.New("addr: is not host:port")
			}
		}
		o.Addrs = append(o.Addrs, values...)
		return nil
	}
	if len(values) > 1 {
		return fmt.Errorf("%s: given more than once", name)
	}
	switch value := values[0]; name {
	case "master_name":
		o.MasterName = value
	case "sentinel_username":
		o.SentinelUsername = value
	case "sentinel_password":
		o.SentinelPassword = value
	case "cluster":
		if value != "true" {
			return errors.New("cluster: want true, or leave it out")
		}
		o.IsClusterMode = true
	default:
		return errors.New("unknown parameter; allowed: addr, master_name, sentinel_username, sentinel_password, cluster")
	}
	return nil
}

func consistent(o *redis.UniversalOptions, scheme string) error {
	switch {
	case o.MasterName != "" && o.IsClusterMode:
		return errors.New("master_name and cluster: only one of them")
	case o.MasterName == "" && !o.IsClusterMode && len(o.Addrs) > 1:
		return errors.New("addr: several servers need master_name (Sentinel) or cluster=true")
	case o.IsClusterMode && o.DB != 0:
		return errors.New("a cluster has only database 0")
	case scheme == "unix" && (o.MasterName != "" || o.IsClusterMode):
		return errors.New("a unix socket is a single server")
	}
	return nil
}
