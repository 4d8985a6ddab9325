package rollout_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"sluice/rollout"
)

// A flag file as an operator writes it: alice and bob poll, and so does a tenth
// of all other users. The legacy stream is bridged for everybody.
func ExampleOpen() {
	const file = `{
  "flags": {
    "notifications-transport": {
      "state": "ENABLED",
      "variants": {"sse": "sse", "poll": "poll"},
      "defaultVariant": "sse",
      "targeting": {"if": [
        {"in": [{"var": "targetingKey"}, ["alice", "bob"]]}, "poll",
        {"fractional": [["poll", 10], ["sse", 90]]}
      ]}
    },
    "legacy-stream": {
      "state": "ENABLED",
      "variants": {"upstream": "upstream", "bridge": "bridge", "retired": "retired"},
      "defaultVariant": "bridge"
    }
  }
}`
	dir, err := os.MkdirTemp("", "flags")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "flags.json")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		panic(err)
	}

	flags, err := rollout.Open(path, rollout.Options{})
	if err != nil {
		panic(err)
	}
	defer flags.Close()
	ctx := context.Background()
	for _, user := range []string{"alice", "erin", "frank"} {
		fmt.Println(user, flags.Transport(ctx, user), flags.Stream(ctx, user))
	}
	// Output:
	// alice poll bridge
	// erin sse bridge
	// frank poll bridge
}
