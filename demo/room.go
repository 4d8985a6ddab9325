package demo

import (
	"embed"
	"html/template"
	"net/http"
	"strings"
	"sync"
)

//go:embed room
var roomFiles embed.FS

var roomPage = sync.OnceValue(func() *template.Template { return template.Must(template.ParseFS(roomFiles, "room/room.html")) })

// Levers move what the room shows. They are safe for concurrent use.
type Levers interface {
	// Part tells whether "app" or "redis" runs; absent, if not empty, says why
	// there is no such part.
	Part(name string) (running bool, absent string)
	// Turn starts or stops a part, and returns when it has.
	Turn(name string, on bool) error
	// Flags are the values in force for a user.
	Flags(user string) (transport, stream string)
	// SetFlags changes the flag file, and returns when the gateway has seen it.
	SetFlags(user, transport, stream string) error
	// Figures are what the gateway has counted since it was started.
	Figures() map[string]float64
}

// Room is the demo's control room: an old and a new tab of the app side by side,
// levers, and an account of what each tab has shown. It stands before the gateway
// and needs no app, so that it works while the app is stopped.
type Room struct {
	key     []byte
	store   *store // its own connection to the app's database
	levers  Levers
	gateway http.Handler
	own     http.Handler
}

// NewRoom opens the room of an app with this database and key, whose pages come
// through gateway. The caller closes it.
func NewRoom(database string, key []byte, levers Levers, gateway http.Handler) (*Room, error) {
	store, err := openStore(database)
	if err != nil {
		return nil, err
	}
	r := &Room{key: key, store: store, levers: levers, gateway: gateway}
	r.own = http.NewCrossOriginProtection().Handler(r.routes())
	return r, nil
}

// Close closes the room's connection to the database.
func (r *Room) Close() error { return r.store.close() }

func (r *Room) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", r.page)
	mux.Handle("GET /_demo/room.js", roomFile("room/room.js"))
	mux.Handle("GET /_demo/room.css", roomFile("room/room.css"))
	mux.HandleFunc("GET /_demo/state", r.signedIn(r.state))
	mux.HandleFunc("POST /_demo/person", func(w http.ResponseWriter, req *http.Request) { admit(w, req, r.key) })
	mux.HandleFunc("POST /_demo/flags", r.signedIn(r.setFlags))
	mux.HandleFunc("POST /_demo/parts", r.signedIn(r.turn))
	return mux
}

// ServeHTTP answers what is the room's, and hands all else to the gateway. Inside
// a frame even the start page is the app's, or there would be a room in the room.
func (r *Room) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch {
	case req.Header.Get("Sec-Fetch-Dest") == "iframe":
		serveFramed(w, req, r.gateway)
	case req.URL.Path == "/" || strings.HasPrefix(req.URL.Path, "/_demo/"):
		r.own.ServeHTTP(w, req)
	default:
		r.gateway.ServeHTTP(w, req)
	}
}

// signedIn lets only signed-in users through.
func (r *Room) signedIn(next userHandler) http.HandlerFunc {
	return signedIn(r.key, next)
}

func roomFile(name string) http.Handler {
	return revalidate(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.ServeFileFS(w, req, roomFiles, name)
	}))
}
