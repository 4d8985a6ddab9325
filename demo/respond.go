package demo

import (
	"encoding/json"
	"net/http"
)

// writeJSON answers with v, without a trailing newline, as the legacy
// application does.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // only our own plain structs come here
		http.Error(w, "cannot encode the answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(body)
}

// writeDetail answers with the legacy application's error body.
func writeDetail(w http.ResponseWriter, status int, detail string) {
	writeJSON(w, status, map[string]string{"detail": detail})
}

// writeInvalid answers 422 the way FastAPI reports a bad field: where is
// "query" or "body".
func writeInvalid(w http.ResponseWriter, where, field, problem string) {
	type fault struct {
		Loc []string `json:"loc"`
		Msg string   `json:"msg"`
	}
	writeJSON(w, http.StatusUnprocessableEntity,
		map[string][]fault{"detail": {{Loc: []string{where, field}, Msg: problem}}})
}

// writeFault answers 500 without telling the cause, which may name files.
func writeFault(w http.ResponseWriter) {
	writeDetail(w, http.StatusInternalServerError, "Internal server error")
}
