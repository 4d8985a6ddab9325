// Package rollout decides, user by user, who polls and what becomes of the
// legacy stream.
//
// Two flags carry the decision: [TransportFlag] and [StreamFlag]. They are read
// through OpenFeature from a flag file in a subset of flagd's format, so that
// the file can move to flagd unchanged and every user keeps their side:
//
//   - a flag has a state, variants, a default variant and targeting;
//   - targeting is a fractional split, or an if chain over lists of user ids
//     whose results are a variant or a split;
//   - anything else is refused with its line, column and place in the file.
//
// The package promises that
//
//   - without a flag file everybody polls and the stream is bridged;
//   - with one, whatever it does not say means [SSE] and [Upstream]: a flag that
//     is disabled or missing, a value Sluice does not know, an empty user;
//   - a split is a pure function of flag, user and weights. The variant listed
//     first only gains users when its share grows, so list the new side first;
//   - a file that turns missing or bad changes nothing: the last good one stays.
package rollout

import (
	"context"
	"fmt"

	"github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"
)

// Options are the ears of the caller; each may be nil.
type Options struct {
	// OnEvaluation hears of every answer: the flag, the value answered and why.
	// [EachEvaluation] lists what it can be told. It runs inside the request.
	OnEvaluation func(flag, variant, reason string)
	// OnReload hears from [Flags.Watch] whenever the flag file changes: nil when
	// the new content is in force, else why the last good one stays. The load in
	// [Open] is not reported: Open returns its error.
	OnReload func(err error)
}

// Flags answers for one gateway. Its methods may be called concurrently.
type Flags struct {
	api    *openfeature.EvaluationAPI
	client *openfeature.Client
	file   *flagFile // nil when no file was named
	memo   memo
	opts   Options
}

// Open reads the flag file at path. An empty path means that there is none.
// A missing or bad file is an error; the caller must Close what Open returns.
func Open(path string, opts Options) (*Flags, error) {
	if path == "" {
		return newFlags(fileless(), nil, opts)
	}
	file, err := openFile(path)
	if err != nil {
		return nil, err
	}
	return newFlags(&provider{file: file}, file, opts)
}

// Check reports what is wrong with the flag file at path; an empty path is fine.
func Check(path string) error {
	if path == "" {
		return nil
	}
	_, err := openFile(path)
	return err
}

// newFlags puts any OpenFeature provider behind an API instance of its own:
// the SDK's global one would be shared by all gateways of a process. What the provider
// answers a user may change only with the file's version.
func newFlags(p openfeature.FeatureProvider, file *flagFile, opts Options) (*Flags, error) {
	if opts.OnEvaluation == nil {
		opts.OnEvaluation = func(string, string, string) {}
	}
	if opts.OnReload == nil {
		opts.OnReload = func(error) {}
	}
	api := isolated.NewAPI()
	f := &Flags{api: api, client: api.NewClient(), file: file, memo: newMemo(), opts: opts}
	if err := api.SetProviderAndWait(context.Background(), p); err != nil {
		f.Close()
		return nil, fmt.Errorf("start flag provider: %w", err)
	}
	return f, nil
}

// Named tells whether a flag file was named. Requests without credentials are
// the app's business only then.
func (f *Flags) Named() bool { return f.file != nil }

// Transport says how user is to get notifications.
func (f *Flags) Transport(ctx context.Context, user string) Transport {
	return Transport(f.evaluate(ctx, &transportFlag, user))
}

// Stream says what the legacy stream is for user.
func (f *Flags) Stream(ctx context.Context, user string) Stream {
	return Stream(f.evaluate(ctx, &streamFlag, user))
}

func (f *Flags) evaluate(ctx context.Context, flag *definition, user string) string {
	var version uint64
	if f.file != nil {
		version = f.file.version.Load()
	}
	a, ok := f.memo.get(flag, user, version)
	if !ok {
		a = f.ask(ctx, flag, user)
		f.memo.put(flag, user, version, a)
	}
	f.opts.OnEvaluation(flag.key, a.value, a.reason)
	return a.value
}

// ask is the only place that trusts no provider: a value outside the flag's own is
// answered by the safe one.
func (f *Flags) ask(ctx context.Context, flag *definition, user string) answer {
	// The error is in the details too: their value is then the safe one.
	details, _ := f.client.StringValueDetails(ctx, flag.key, flag.safe, openfeature.NewEvaluationContext(user, nil))
	if !flag.allows(details.Value) {
		return answer{flag.safe, label(openfeature.ErrorReason)}
	}
	return answer{details.Value, label(details.Reason)}
}

// Watch looks at the flag file every second until ctx ends, and puts what it
// finds in force. Without a flag file it only waits. Run one Watch at a time.
func (f *Flags) Watch(ctx context.Context) {
	if f.file == nil {
		<-ctx.Done()
		return
	}
	f.file.watch(ctx, f.opts.OnReload)
}

// Close releases the provider. Stop Watch and the evaluations first.
func (f *Flags) Close() {
	// Neither of our providers can fail to shut down, and a caller could do nothing.
	_ = f.api.Shutdown(context.Background())
}
