package proxy

import (
	"fmt"
	"net/http"
	"os"
	"strings"
)

// credentialsFlag names a user for commands that look at a deployment as somebody who
// is signed in. Credentials are never an argument, which everybody on a host can read.
type credentialsFlag struct {
	Credentials string `placeholder:"FILE" help:"With --after and --stream: file with the header of a user who is signed in, such as Cookie: NAME=VALUE or Authorization: Bearer TOKEN; also in SLUICE_CHECK_CREDENTIALS."`
}

// credentialsVariable is no part of the configuration: it is nobody's but check's.
const credentialsVariable = "SLUICE_CHECK_CREDENTIALS"

// header is what to send, and the environment without it. Errors show nothing of it.
func (k credentialsFlag) header(environ []string) (header http.Header, rest []string, err error) {
	text, rest := takeVariable(environ, credentialsVariable)
	from := credentialsVariable
	if k.Credentials != "" {
		content, err := os.ReadFile(k.Credentials)
		if err != nil {
			return nil, rest, fmt.Errorf("--credentials: %w", err)
		}
		text, from = string(content), k.Credentials
	}
	header = http.Header{}
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if line == "" {
			continue
		}
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if value = strings.TrimSpace(value); value == "" || !strings.EqualFold(name, "Cookie") && !strings.EqualFold(name, "Authorization") {
			return nil, rest, fmt.Errorf("%s:%d: want a line such as Cookie: NAME=VALUE or Authorization: Bearer TOKEN", from, i+1)
		}
		header.Add(name, value)
	}
	return header, rest, nil
}

// takeVariable takes a variable out of an environment.
func takeVariable(environ []string, name string) (value string, rest []string) {
	for _, v := range environ {
		if text, found := strings.CutPrefix(v, name+"="); found {
			value = text
			continue
		}
		rest = append(rest, v)
	}
	return value, rest
}
