package demo

import (
	"errors"
	"net/http"
	"strconv"
)

const (
	defaultLimit = 50
	maxLimit     = 100
)

// notifications answers GET /api/notifications?after_id=&limit=, the endpoint
// the app had before anybody polled it.
func (a *App) notifications(w http.ResponseWriter, r *http.Request, user string) {
	limit, ok := pageLimit(r)
	if !ok {
		writeInvalid(w, "query", "limit", "not an integer")
		return
	}
	list, err := a.store.list(r.Context(), user, r.URL.Query().Get("after_id"), limit)
	if err != nil {
		writeFault(w)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, map[string][]notification{"notifications": list})
}

// pageLimit is the query's limit, moved into 1..100; ok is false when it is
// not an integer.
func pageLimit(r *http.Request) (limit int, ok bool) {
	query := r.URL.Query()
	if !query.Has("limit") {
		return defaultLimit, true
	}
	limit, err := strconv.Atoi(query.Get("limit"))
	// Atoi answers a number that is too large with the nearest it can hold.
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, false
	}
	return min(max(limit, 1), maxLimit), true
}

// mark answers POST /api/notifications/{id}/seen and /dismiss.
func (a *App) mark(column string) userHandler {
	return func(w http.ResponseWriter, r *http.Request, user string) {
		found, err := a.store.mark(r.Context(), user, r.PathValue("id"), column)
		switch {
		case err != nil:
			writeFault(w)
		case !found:
			writeDetail(w, http.StatusNotFound, "Notification not found")
		default:
			writeJSON(w, http.StatusOK, map[string]bool{"ok": true})
		}
	}
}
