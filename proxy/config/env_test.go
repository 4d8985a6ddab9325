package config

import (
	"reflect"
	"testing"
)

func TestEnvErrors(t *testing.T) {
	tests := []struct{ variable, want string }{
		{"SLUICE_STORE_DRIVER=mysql", `SLUICE_STORE_DRIVER: store.driver: "mysql" is not one of upstream, sqlite, postgres`},
		{"SLUICE_POLL_LIMIT_MAX=1e2", `SLUICE_POLL_LIMIT_MAX: poll.limit_max: "1e2" is not a whole number`},
		{"SLUICE_POLL_LIMIT_MAX=99999999999999999999", `SLUICE_POLL_LIMIT_MAX: poll.limit_max: "99999999999999999999" is not a whole number`},
		{"SLUICE_POLL_PAUSED=1", `SLUICE_POLL_PAUSED: poll.paused: "1" is neither true nor false`},
		{"SLUICE_POLL_INTERVAL=5 apples", `SLUICE_POLL_INTERVAL: poll.interval: "5 apples" is not a duration such as 5s or 250ms`},
		{"SLUICE_AUTH_ALGORITHMS=HS256,,HS512", `SLUICE_AUTH_ALGORITHMS: auth.algorithms: "" is not one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA`},
		{"SLUICE_AUTH_ALGORITHMS=none", `SLUICE_AUTH_ALGORITHMS: auth.algorithms: "none" is not one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA`},
	}
	for _, test := range tests {
		if _, _, got := load(t, "", test.variable); got != test.want {
			t.Errorf("%s\ngot  %s\nwant %s", test.variable, got, test.want)
		}
	}
}

func TestEnvLists(t *testing.T) {
	got := mustLoad(t, "auth: {algorithms: [HS384]}\n", "SLUICE_AUTH_ALGORITHMS=HS256, HS512").Auth.Algorithms
	if want := []string{"HS256", "HS512"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEnvValueMayContainEquals(t *testing.T) {
	if got := mustLoad(t, "", "SLUICE_AUTH_KEY=a=b=").Auth.Key.Value(); got != "a=b=" {
		t.Errorf("key = %q", got)
	}
}

func TestUnknownVariablesWarn(t *testing.T) {
	tests := []struct {
		variable string
		want     []string
	}{
		{"SLUICE_REDIS_URI=redis://h", []string{"SLUICE_REDIS_URI: unknown variable, ignored; did you mean SLUICE_REDIS_URL?"}},
		{"SLUICE_SERVICE_HOST=10.0.0.1", []string{"SLUICE_SERVICE_HOST: unknown variable, ignored"}},
		{"sluice_redis_url=redis://h", nil},
		{"SLUICE=1", nil},
		{"PATH=/bin", nil},
		{"SLUICE_UNKNOWN=", nil},
		{"SLUICE_LOG_LEVEL=debug", nil},
	}
	for _, test := range tests {
		_, got, problem := load(t, "", test.variable)
		if !reflect.DeepEqual(got, test.want) || problem != "" {
			t.Errorf("%s: warnings %q, want %q; error %q", test.variable, got, test.want, problem)
		}
	}
}
