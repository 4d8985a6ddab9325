// Package config reads Sluice's configuration: defaults, a YAML file and the environment.
//
// [Config] is the only place where a key is named, with its default, its limits and its documentation. Everything else (how
// the file and the environment are read, the [Reference] table) follows from its struct tags, which option.go describes.
//
// The environment beats the file, and the file beats the defaults. An empty environment variable counts as unset, so a blank
// line in a deployment can never switch off a check that the file turned on; to empty a key, write "" in the file. Unknown
// keys in the file are errors. Unknown SLUICE_ variables only warn, since Kubernetes injects some.
//
// Errors say where: "sluice.yaml:7:13: poll.interval: ...". They never show a secret.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Config is a complete configuration. One that [Load] returned without an error has been checked.
type Config struct {
	Listen string `key:"listen" default:"127.0.0.1:8080" check:"address" doc:"Public listener, host:port. Port 0 takes a free port; an empty host means every interface."`
	// The default is what has no way in from the Internet: RFC 1122, 1918, 4193 and 4291.
	TrustedProxies []string `key:"trusted_proxies" default:"127.0.0.0/8,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,::1/128,fc00::/7" check:"network" doc:"Networks of the proxies in front. Only what comes from them may say X-Forwarded-*, Forwarded, X-Real-IP or auth.header; from others the app does not see these."`
	TLS            TLS      `key:"tls"`
	CORS           CORS     `key:"cors"`
	Admin          Admin    `key:"admin"`
	Upstream       Upstream `key:"upstream"`
	Store          Store    `key:"store"`
	Redis          Redis    `key:"redis"`
	Auth           Auth     `key:"auth"`
	Poll           Poll     `key:"poll"`
	Limits         Limits   `key:"limits"`
	Tune           Tune     `key:"tune"`
	Cache          Cache    `key:"cache"`
	Compat         Compat   `key:"compat"`
	Rollout        Rollout  `key:"rollout"`
	Drain          Drain    `key:"drain"`
	Log            Log      `key:"log"`
}

// TLS is what the public listener shows; empty, it speaks plain HTTP.
type TLS struct {
	Cert Secret `key:"cert" default:"" file:"true" hot:"set" doc:"The public listener's certificate and those that lead to a root, in PEM. With it the listener speaks TLS 1.2 or later, without it plain HTTP; HTTP/1.1 and HTTP/2 either way."`
	Key  Secret `key:"key" default:"" file:"true" hot:"set" doc:"The private key of tls.cert, in PEM."`
}

// CORS says which pages of other origins may read what is Sluice's.
type CORS struct {
	Origins []string `key:"origins" default:"" check:"origin" hot:"true" doc:"Origins whose pages may read polls, streams and scripts with the user's credentials, such as https://app.example; exactly these. The app's own routes and answers keep the app's rules. Empty: none but the app's own."`
}

// Admin is the listener for operators.
type Admin struct {
	Listen string `key:"listen" default:"127.0.0.1:8081" check:"address" doc:"Admin listener, host:port; not the public one."`
	Token  Secret `key:"token" default:"" file:"true" hot:"true" doc:"Bearer token for admin requests that change something. Empty: they are refused."`
	Pprof  bool   `key:"pprof" default:"false" doc:"Serve Go's profiles at /debug/pprof/ of the admin listener."`
}

// Upstream is the app behind Sluice.
type Upstream struct {
	URL     string        `key:"url" default:"http://127.0.0.1:8000" check:"app-url" doc:"The app: http or https, host and port only."`
	Timeout time.Duration `key:"timeout" default:"8s" range:"100ms..5m" doc:"How long Sluice's own reads of the app, or of its database, may take; below the 10s after which our client gives up, or it is never noticed that they hang. For requests that pass through there is upstream.begin."`
	Begin   time.Duration `key:"begin" default:"0" range:"0..1h" doc:"How long the app may take to begin its answer to a request that passes through, once it has all of it; then 504. 0: as long as the client waits."`
}

// Store says where notifications are read from.
type Store struct {
	Driver string `key:"driver" default:"upstream" allowed:"upstream,sqlite,postgres" doc:"Where notifications are read: the app's own endpoint, or its database."`
	DSN    Secret `key:"dsn" default:"" file:"true" doc:"The app's database. For sqlite: a path (relative to the working directory) or a file: URL. For postgres: a postgres:// URL, or text such as host=db dbname=app. Empty for upstream."`
}

// Redis is the shared cache.
type Redis struct {
	URL     Secret        `key:"url" default:"" file:"true" check:"redis-url" doc:"The shared cache: redis://, rediss:// or unix://; Sentinel with ?master_name=NAME, a Cluster with ?cluster=true, more servers with &addr=host:port. Empty: in memory, which suits one replica."`
	Timeout time.Duration `key:"timeout" default:"100ms" range:"1ms..5s" doc:"How long one Redis operation may take before the cache is left out."`
}

// Auth says how a request names its user.
type Auth struct {
	Mode       string   `key:"mode" default:"jwt" allowed:"jwt,forward,header" doc:"How a request names its user: by the app's token; the app is asked; by a header from a trusted proxy."`
	Cookie     string   `key:"cookie" default:"access_token" check:"cookie-name" doc:"Cookie that carries the token; without it, the Authorization header is read."`
	Claim      string   `key:"claim" default:"user_id" check:"present" doc:"Claim that names the user."`
	Algorithms []string `key:"algorithms" default:"HS256" allowed:"HS256,HS384,HS512,RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA" doc:"Signature algorithms a token may use. Those that begin with HS go by auth.key, the others by auth.jwks_url."`
	Key        Secret   `key:"key" default:"" file:"true" hot:"true" doc:"The app's signing key; should have at least 32 bytes."`
	OldKey     Secret   `key:"old_key" default:"" file:"true" hot:"true" doc:"A key before auth.key, whose tokens are still good while keys change."`
	JWKSURL    string   `key:"jwks_url" default:"" check:"url" doc:"Where the public keys of tokens are published (RFC 7517). Read every 5 minutes, and when a token names a new key."`
	Audience   string   `key:"audience" default:"" doc:"The aud a token must name. Empty: not checked."`
	Issuer     string   `key:"issuer" default:"" doc:"The iss a token must name. Empty: not checked."`
	ForwardURL string   `key:"forward_url" default:"/auth/me" check:"path-or-url" doc:"Mode forward: what is asked with the credential alone, on the app or elsewhere. It answers 200 {\"user_id\":\"...\"}, 401 or 403; believed for 10s."`
	Header     string   `key:"header" default:"X-User-Id" check:"header-name" doc:"Mode header: what names the user, from trusted_proxies."`
	Secret     Secret   `key:"secret" default:"" file:"true" hot:"true" doc:"Mode header: what they send besides, as Sluice-Secret. Needed; at least 16 bytes."`
}

// Poll is what pollers are told. Intervals reach clients in whole seconds.
type Poll struct {
	Interval     time.Duration `key:"interval" default:"5s" range:"1s..1h" check:"whole-seconds" hot:"true" doc:"The usual time between two polls of a client, in whole seconds."`
	Ceiling      time.Duration `key:"ceiling" default:"60s" range:"1s..1h" check:"whole-seconds" hot:"true" doc:"The longest interval clients are sent, in whole seconds; not below poll.interval."`
	Paused       bool          `key:"paused" default:"false" hot:"true" doc:"Send every client to the ceiling."`
	LimitDefault int           `key:"limit_default" default:"50" range:"1..100" hot:"true" doc:"Items in a page when the client names no limit; not above poll.limit_max."`
	LimitMax     int           `key:"limit_max" default:"100" range:"1..100" hot:"true" doc:"Most items in a page. The app itself stops at 100."`
}

// Tune says what the recommended interval is for. See docs/tuning.md.
type Tune struct {
	StalenessTarget time.Duration `key:"staleness_target" default:"10s" range:"1s..1h" doc:"How stale an item may be when it reaches a client that polls."`
	Quantile        float64       `key:"quantile" default:"0.95" range:"0.5..0.999" hot:"true" doc:"The share of items that tune.staleness_target is for."`
	PollBudget      float64       `key:"poll_budget" default:"0" range:"0..1000000" hot:"true" doc:"How many polls a second one gateway may get. 0: as many as there are."`
}

// Limits keep one user, or all of them, from taking more than there is. The rates are above what twelve tabs do that poll
// every second, each for itself.
type Limits struct {
	PollRate    float64 `key:"poll_rate" default:"20" range:"0..1000" doc:"Polls a second that each user has on one gateway; more are answered 429. 0: no limit."`
	PollBurst   int     `key:"poll_burst" default:"100" range:"1..10000" doc:"Polls a user may make at once."`
	StreamRate  float64 `key:"stream_rate" default:"1" range:"0..1000" doc:"Bridged streams a second that each user may open on one gateway; who opens more gets streams of a second and is asked to come back a little later, but never refused. 0: no limit."`
	StreamBurst int     `key:"stream_burst" default:"30" range:"1..10000" doc:"Streams a user may open at once."`
	Polls       int     `key:"polls" default:"2048" range:"1..1000000" doc:"Polls under way at a time; more are answered 503 at once, so that these are answered in time."`
	Streams     int     `key:"streams" default:"20000" range:"1..1000000" doc:"Bridged streams open at a time, 36 KB each, or 50 while there are as many polls as well; further ones end within a second, and their readers are asked to come back later."`
	Connections int     `key:"connections" default:"50000" range:"1..1000000" doc:"Connections to the public listener; more wait until one closes. The admin listener has its own."`
}

// Cache is the cache of each user's latest id.
type Cache struct {
	StalenessBound Bound `key:"staleness_bound" default:"auto" doc:"How old a cached answer may be that no feed vouches for: auto, or 0 to 10m. 0 turns the cache off; auto is 30s while changes are heard of, else the smaller of 2s and half of poll.interval."`
	AuditRatio     int   `key:"audit_ratio" default:"1000" range:"0..1000000" doc:"One poll in this many that the cache would answer reads the source all the same, to check the cache. 0: none."`
}

// Compat is the legacy stream as Sluice bridges it.
type Compat struct {
	MaxDuration     time.Duration `key:"max_duration" default:"25s" range:"1s..5m" doc:"How long a stream lasts for a client that reconnects with an id, and for an old page besides four others of its browser."`
	OldPageDuration time.Duration `key:"old_page_duration" default:"290s" range:"1s..300s" doc:"How long a stream lasts for an old page, which shows every end as an error."`
	Heartbeat       time.Duration `key:"heartbeat" default:"15s" range:"100ms..15s" doc:"Longest silence on a stream."`
	Farewell        string        `key:"farewell" default:"Reload this page to keep live updates" doc:"The notification that tells people with an old page to reload it, before the stream is retired. Empty: none."`
	SayFarewell     bool          `key:"say_farewell" default:"false" hot:"true" doc:"Send compat.farewell to every old page on the bridge, once each."`
	InjectShim      bool          `key:"inject_shim" default:"false" doc:"Put the script that makes EventSource poll into the app's pages, for users whose notifications-transport is poll: old pages then poll without an edit."`
}

// Rollout says who is on which transport.
type Rollout struct {
	Flags       string  `key:"flags" default:"" doc:"Flag file, relative to the working directory. Empty: everybody polls and the stream is bridged."`
	Spec        string  `key:"spec" default:"" doc:"Rollout file: the steps in which users move, relative to the working directory. Empty: the flag file alone says who polls. It needs rollout.flags."`
	State       string  `key:"state" default:"" doc:"Where one replica without Redis keeps how far the rollout is; with Redis, a copy for a start while that is away. Empty: rollout.spec with .state behind it."`
	ShadowRatio float64 `key:"shadow_ratio" default:"0" range:"0..1" doc:"Share of the users on the app's own stream whose items are compared with what polls would deliver; a poll of the app's data for each of them, once per poll.interval. 0: nobody."`
	Webhook     Secret  `key:"webhook" default:"" file:"true" check:"webhook-url" doc:"URL to which every change of the rollout is POSTed, as JSON."`
}

// Drain is how Sluice stops.
type Drain struct {
	Grace    time.Duration `key:"grace" default:"3s" range:"0..5m" doc:"How long Sluice keeps serving after it reports that it is not ready."`
	Deadline time.Duration `key:"deadline" default:"15s" range:"1s..10m" doc:"When open requests are cut off, from the start of the drain; not before drain.grace."`
}

// Log is Sluice's own log.
type Log struct {
	Level     string `key:"level" default:"info" allowed:"debug,info,warn,error" doc:"Least severity that is logged."`
	Format    string `key:"format" default:"json" allowed:"json,console" doc:"One JSON object a line, or text for people."`
	PollRatio int    `key:"poll_ratio" default:"100" range:"0..1000000" hot:"true" doc:"One poll in this many that brings nothing (empty, throttled or shed) has its log line, with this number as one_in. 0: none, 1: all. Every other request has its line."`
}

// Default returns the configuration of an empty file and an empty environment.
func Default() Config {
	var c Config
	for _, o := range options {
		if o.fileOf != "" {
			continue
		}
		if err := o.assign(&c, o.defaults()); err != nil {
			panic("config: default of " + o.key + ": " + err.Error()) // a fault in this file, which the tests catch
		}
	}
	return c
}

// Load reads the configuration from file (none if "") and environ ("NAME=value", as from [os.Environ]).
//
// The error joins everything that is wrong with single keys or, when they are all right, with their combination; the Config
// is then empty. Warnings, one line each, are about what works but was hardly meant, and come with or without an error.
func Load(file string, environ []string) (c Config, warnings []string, err error) {
	l := loader{config: Default(), set: map[string]setting{}}
	if file != "" {
		settings, errs := readYAML(file)
		l.add(settings, errs)
	}
	settings, warnings := readEnv(environ)
	l.add(settings, nil)
	l.apply()
	if len(l.errs) == 0 {
		l.checkTogether()
	}
	if len(l.errs) > 0 {
		return Config{}, append(warnings, l.warnings...), errors.Join(l.errs...)
	}
	return l.config, append(warnings, l.warnings...), nil
}

// CheckServe reports what is missing for serving requests. Load does not insist on it, so that a configuration can be looked
// at before its secrets are in place.
func (c Config) CheckServe() error {
	secrets, published := c.Auth.families()
	switch {
	case c.Auth.Mode == "jwt" && secrets && c.Auth.Key.Value() == "":
		return missing("auth.key")
	case c.Auth.Mode == "jwt" && published && c.Auth.JWKSURL == "":
		return errors.New("auth.jwks_url: is empty, and needed for what auth.algorithms names besides HS256, HS384 and HS512")
	case c.Auth.Mode == "header" && c.Auth.Secret.Value() == "":
		return missing("auth.secret")
	}
	return nil
}

// families says which kinds of keys the algorithms need.
func (a Auth) families() (secrets, published bool) {
	for _, name := range a.Algorithms {
		secret := strings.HasPrefix(name, "HS")
		secrets, published = secrets || secret, published || !secret
	}
	return secrets, published
}

func missing(secret string) error {
	return fmt.Errorf("%s: is empty; set it or %s_file, in the file or as %s or %s_FILE", secret, secret, envName(secret), envName(secret))
}

// StateFile is where a rollout is kept without Redis.
func (r Rollout) StateFile() string { return cmp.Or(r.State, r.Spec+".state") }

// signalledBound is how old a cached answer may be where changes are heard of: it
// limits what a lost signal can hide.
const signalledBound = 30 * time.Second

// StalenessBound is how old a cached answer may be; 0 means no cache. It resolves auto: signalled tells whether changes of the
// app's data are heard of at the moment.
func (c *Config) StalenessBound(signalled bool) time.Duration {
	switch {
	case c.Cache.StalenessBound != Auto:
		return time.Duration(c.Cache.StalenessBound)
	case signalled:
		return signalledBound
	}
	return min(2*time.Second, c.Poll.Interval/2)
}
