package flagdtest

import (
	"context"
	"os"

	flagd "github.com/open-feature/go-sdk-contrib/providers/flagd/pkg"
	"github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"
	"pgregory.net/rapid"

	"sluice/rollout"
)

// provider is flagd's own, in process, reading a file, behind a client as Sluice
// has one.
type provider struct {
	*openfeature.Client
	close func()
}

// flagdReads lets flagd read a flag file. The caller closes what it returns.
func flagdReads(t rapid.TB, path string) provider {
	t.Helper()
	p, err := flagd.NewProvider(flagd.WithFileResolver(), flagd.WithOfflineFilePath(path), flagd.WithDeadline(60_000))
	if err != nil {
		t.Fatal(err)
	}
	api := isolated.NewAPI()
	if err := api.SetProviderAndWait(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	return provider{api.NewClient(), func() { _ = api.Shutdown(context.Background()) }}
}

// says is flagd's answer as Sluice takes it: what is no value of the flag, such as
// the empty one of a flag that is disabled, is the safe value.
func (p provider) says(flag, user string) string {
	values := []string{string(rollout.SSE), string(rollout.Poll)}
	if flag == rollout.StreamFlag {
		values = []string{string(rollout.Upstream), string(rollout.Bridge), string(rollout.Retired)}
	}
	value, _ := p.StringValue(context.Background(), flag, values[0], openfeature.NewEvaluationContext(user, nil))
	for _, v := range values {
		if v == value {
			return v
		}
	}
	return values[0]
}

// sluiceSays is the answer of Sluice's own reader of the file.
func sluiceSays(f *rollout.Flags, flag, user string) string {
	if flag == rollout.StreamFlag {
		return string(f.Stream(context.Background(), user))
	}
	return string(f.Transport(context.Background(), user))
}

func sluiceReads(t rapid.TB, path string) *rollout.Flags {
	t.Helper()
	f, err := rollout.Open(path, rollout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func write(t rapid.TB, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
