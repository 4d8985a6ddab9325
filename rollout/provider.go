package rollout

import (
	"context"

	"github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/memprovider"
)

// provider answers OpenFeature from a flag file. All its flags are strings.
type provider struct{ file *flagFile }

var _ openfeature.FeatureProvider = (*provider)(nil)

func (p *provider) Metadata() openfeature.Metadata {
	return openfeature.Metadata{Name: "sluice-flag-file"}
}

func (p *provider) Hooks() []openfeature.Hook { return nil }

// StringEvaluation never fails: what the file does not say is the default value.
func (p *provider) StringEvaluation(_ context.Context, key, defaultValue string, flat openfeature.FlattenedContext) openfeature.StringResolutionDetail {
	user, _ := flat[openfeature.TargetingKey].(string)
	f, steered := p.file.flags()[key], p.file.steer(key)
	if f == nil && steered != nil {
		f = &flag{key: key} // the file says nothing of it
	}
	switch {
	case f == nil || user == "":
		return resolved(variant{value: defaultValue}, openfeature.DefaultReason)
	case f.disabled:
		return resolved(variant{value: defaultValue}, openfeature.DisabledReason)
	}
	return resolved(f.evaluate(user, steered))
}

func resolved(v variant, reason openfeature.Reason) openfeature.StringResolutionDetail {
	return openfeature.StringResolutionDetail{
		Value: v.value,
		ProviderResolutionDetail: openfeature.ProviderResolutionDetail{
			Variant: v.name,
			Reason:  reason,
		},
	}
}

// BooleanEvaluation refuses: there are only string flags.
func (p *provider) BooleanEvaluation(_ context.Context, _ string, defaultValue bool, _ openfeature.FlattenedContext) openfeature.BoolResolutionDetail {
	return mismatch(defaultValue)
}

// FloatEvaluation refuses: there are only string flags.
func (p *provider) FloatEvaluation(_ context.Context, _ string, defaultValue float64, _ openfeature.FlattenedContext) openfeature.FloatResolutionDetail {
	return mismatch(defaultValue)
}

// IntEvaluation refuses: there are only string flags.
func (p *provider) IntEvaluation(_ context.Context, _ string, defaultValue int64, _ openfeature.FlattenedContext) openfeature.IntResolutionDetail {
	return mismatch(defaultValue)
}

// ObjectEvaluation refuses: there are only string flags.
func (p *provider) ObjectEvaluation(_ context.Context, _ string, defaultValue any, _ openfeature.FlattenedContext) openfeature.InterfaceResolutionDetail {
	return mismatch(defaultValue)
}

func mismatch[T any](defaultValue T) openfeature.GenericResolutionDetail[T] {
	return openfeature.GenericResolutionDetail[T]{
		Value: defaultValue,
		ProviderResolutionDetail: openfeature.ProviderResolutionDetail{
			ResolutionError: openfeature.NewTypeMismatchResolutionError("the flag file holds strings only"),
			Reason:          openfeature.ErrorReason,
		},
	}
}

// fileless gives everybody, even an empty user, the answer of a gateway that has
// no flag file.
func fileless() openfeature.FeatureProvider {
	flags := map[string]memprovider.InMemoryFlag{}
	for _, d := range definitions {
		flags[d.key] = memprovider.InMemoryFlag{
			Key:            d.key,
			State:          memprovider.Enabled,
			DefaultVariant: d.fileless,
			Variants:       map[string]any{d.fileless: d.fileless},
		}
	}
	return memprovider.NewInMemoryProvider(flags)
}
