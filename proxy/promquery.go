package proxy

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"sluice/rollout/evidence"
)

var _ evidence.Ask = askPrometheus

// askPrometheus asks for a query's one number: a scalar, or a vector of one.
func askPrometheus(ctx context.Context, address, query string) (float64, error) {
	client, err := api.NewClient(api.Config{Address: address})
	if err != nil {
		return 0, err
	}
	result, _, _, err := v1.NewAPI(client).Query(ctx, query, time.Now())
	if err != nil {
		return 0, fmt.Errorf("prometheus: %w", err)
	}
	switch r := result.(type) {
	case *model.Scalar:
		return onlyNumber(float64(r.Value))
	case model.Vector:
		if len(r) == 1 {
			return onlyNumber(float64(r[0].Value))
		}
		return 0, fmt.Errorf("prometheus: the query gives %d values, want one", len(r))
	}
	return 0, fmt.Errorf("prometheus: the query gives a %s, want one number", result.Type())
}

// onlyNumber refuses what is none: a ratio to nothing says nothing, and an infinite one
// would pass any minimum.
func onlyNumber(v float64) (float64, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("prometheus: the query gives %v", v)
	}
	return v, nil
}
