// Front stands in front of the gateway as a load balancer does: it speaks TLS and
// HTTP/2 with browsers and HTTP/1.1 with the gateway, and says 502 while that one
// is away. Its certificate is nobody's: browsers have to be told to take it.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "`address` to serve on")
	to := flag.String("to", "", "the gateway's `URL`")
	flag.Parse()
	if err := serve(*listen, *to); err != nil {
		fmt.Fprintln(os.Stderr, "front:", err)
		os.Exit(1)
	}
	select {} // until somebody ends it
}

// serve begins to serve, and prints the address.
func serve(listen, to string) error {
	gateway, err := url.Parse(to)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	server := &httptest.Server{
		Listener: l, EnableHTTP2: true, Config: &http.Server{Handler: httputil.NewSingleHostReverseProxy(gateway)},
	}
	server.StartTLS()
	fmt.Println(l.Addr())
	return nil
}
