package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// maxFileSize keeps a mistaken path (a device, a database) from being read whole. Configurations and keys are far smaller.
const maxFileSize = 64 << 10

// readFile is the content of a small file. Its errors name the file.
func readFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fileError(name, err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return "", fileError(name, err)
	}
	if len(content) > maxFileSize {
		return "", fmt.Errorf("%s: larger than %d KiB", name, maxFileSize>>10)
	}
	return string(content), nil
}

// fileError puts the name first, as all errors of this package do.
func fileError(name string, err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	return fmt.Errorf("%s: %w", name, err)
}

// readSecret is the content of a file less the one newline that editors and echo put at its end.
func readSecret(name string) (string, error) {
	content, err := readFile(name)
	if err != nil {
		return "", err
	}
	if line, ok := strings.CutSuffix(content, "\n"); ok {
		content = strings.TrimSuffix(line, "\r")
	}
	if content == "" {
		return "", fmt.Errorf("%s: is empty", name)
	}
	return content, nil
}
