package proxy

import (
	"errors"
	"net"
	"net/http"
)

// sampleServer serves the sample app on its own port, as an app of one's own
// would run. Stopped and started again it has the same address and database.
type sampleServer struct {
	address string // what start binds; a port 0 becomes the one that was free
	open    func() (App, error)

	app    App // nil while stopped
	server *http.Server
	failed chan error
}

func (s *sampleServer) state() (running bool, absent string) { return s.app != nil, "" }

func (s *sampleServer) start() error {
	l, err := bind("--app", s.address)
	if err != nil {
		return err
	}
	app, err := s.open()
	if err != nil {
		return errors.Join(err, l.Close())
	}
	s.address, s.app, s.failed = l.Addr().String(), app, make(chan error, 1)
	s.server = &http.Server{Handler: app, ReadHeaderTimeout: slowHeader}
	go func(server *http.Server, l net.Listener) { s.failed <- server.Serve(l) }(s.server, l)
	return nil
}

// stop closes listener and connections first, so that nobody is answered by an
// app that is about to go.
func (s *sampleServer) stop() error {
	if s.app == nil {
		return nil
	}
	err := errors.Join(s.server.Close(), s.app.Close())
	if served := <-s.failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	s.app = nil
	return err
}
