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
	prometheus, err := prometheusAt(address)
	if err != nil {
		return 0, err
	}
	values, err := valuesOf(ctx, prometheus, query)
	if err != nil {
		return 0, fmt.Errorf("prometheus: %w", err)
	}
	if len(values) != 1 {
		return 0, fmt.Errorf("prometheus: the query gives %d values, want one", len(values))
	}
	return onlyNumber(values[0])
}

func prometheusAt(address string) (v1.API, error) {
	client, err := api.NewClient(api.Config{Address: address})
	if err != nil {
		return nil, err
	}
	return v1.NewAPI(client), nil
}

// valuesOf are the numbers of a scalar or a vector, as they are now.
func valuesOf(ctx context.Context, prometheus v1.API, query string) (values []float64, err error) {
	result, _, _, err := prometheus.Query(ctx, query, time.Now())
	if err != nil {
		return nil, err
	}
	switch r := result.(type) {
	case *model.Scalar:
		return []float64{float64(r.Value)}, nil
	case model.Vector:
		for _, sample := range r {
			values = append(values, float64(sample.Value))
		}
		return values, nil
	}
	return nil, fmt.Errorf("the query gives a %s, want one number", result.Type())
}

// onlyNumber refuses what is none: a ratio to nothing says nothing, and an infinite one
// would pass any minimum.
func onlyNumber(v float64) (float64, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("prometheus: the query gives %v", v)
	}
	return v, nil
}
