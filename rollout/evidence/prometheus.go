package evidence

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// askTimeout bounds one query.
const askTimeout = 5 * time.Second

// Ask is the Querier of a real Prometheus. A query must have one value: a scalar,
// or a vector of one.
func Ask(ctx context.Context, address, query string) (float64, error) {
	client, err := api.NewClient(api.Config{Address: address})
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	result, _, _, err := v1.NewAPI(client).Query(ctx, query, time.Now())
	if err != nil {
		return 0, fmt.Errorf("prometheus: %w", err)
	}
	switch r := result.(type) {
	case *model.Scalar:
		return float64(r.Value), nil
	case model.Vector:
		if len(r) == 1 {
			return float64(r[0].Value), nil
		}
		return 0, fmt.Errorf("prometheus: the query gives %d values, want one", len(r))
	}
	return 0, fmt.Errorf("prometheus: the query gives a %s, want one number", result.Type())
}
