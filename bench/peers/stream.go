package main

import (
	"io"
	"net/http"
	"sync"
)

// hub is a held stream in its leanest form: what is posted goes to all who listen.
type hub struct {
	mu        sync.Mutex
	listeners map[chan string]struct{}
}

func stream(surroundings) http.Handler {
	h := &hub{listeners: map[chan string]struct{}{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/stream", h.listen)
	mux.HandleFunc("POST /publish", h.publish)
	mux.HandleFunc("GET /", empty)
	return mux
}

func (h *hub) listen(w http.ResponseWriter, r *http.Request) {
	heard := make(chan string, 1)
	h.mu.Lock()
	h.listeners[heard] = struct{}{}
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.listeners, heard)
		h.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	flush := w.(http.Flusher).Flush
	_, _ = w.Write([]byte(": held\n\n"))
	for flush(); ; flush() {
		select {
		case <-r.Context().Done():
			return
		case text := <-heard:
			_, _ = w.Write([]byte("data: " + text + "\n\n"))
		}
	}
}

func (h *hub) publish(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return // nobody is there
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for heard := range h.listeners {
		heard <- string(text)
	}
	w.WriteHeader(http.StatusNoContent)
}
