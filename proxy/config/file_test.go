package config

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestSecretFile(t *testing.T) {
	tests := []struct{ name, content, want string }{
		{"bare", "k", "k"},
		{"newline", "k\n", "k"},
		{"windows newline", "k\r\n", "k"},
		{"two newlines", "k\n\n", "k\n"},
		{"spaces kept", " k \n", " k "},
		{"carriage return kept", "k\r", "k\r"},
		{"not text", "\xff\x00\n", "\xff\x00"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := mustLoad(t, "", "SLUICE_AUTH_KEY_FILE="+write(t, "key", test.content))
			if got := c.Auth.Key.Value(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestSecretFileErrors(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	empty := write(t, "empty", "\n")
	large := write(t, "large", strings.Repeat("k", maxFileSize+1))
	for path, want := range map[string]string{
		missing:               ": no such file or directory",
		empty:                 ": is empty",
		large:                 ": larger than 64 KiB",
		filepath.Dir(missing): ": is a directory",
	} {
		_, _, got := load(t, "auth:\n  key_file: "+path+"\n")
		if want := "sluice.yaml:2:13: auth.key_file: " + path + want; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestSecretFileIsChecked(t *testing.T) {
	_, _, got := load(t, "", "SLUICE_REDIS_URL_FILE="+write(t, "url", "http://:hunter2@h\n"))
	if !strings.HasPrefix(got, "SLUICE_REDIS_URL_FILE: redis.url_file: is not an address") || strings.Contains(got, "hunter2") {
		t.Errorf("got %q", got)
	}
}

func TestValueAndFile(t *testing.T) {
	key := write(t, "key", "from file")
	_, _, got := load(t, "auth: {key: k}\n", "SLUICE_AUTH_KEY_FILE="+key)
	if want := "SLUICE_AUTH_KEY_FILE: auth.key_file: auth.key is set too (sluice.yaml:1:13); keep one of them"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for name, c := range map[string]Config{
		"empty value": mustLoad(t, `auth: {key: "", key_file: `+key+"}\n"),
		"empty file":  mustLoad(t, `auth: {key: from file, key_file: ""}`+"\n"),
	} {
		if got := c.Auth.Key.Value(); got != "from file" {
			t.Errorf("%s: key = %q", name, got)
		}
	}
}

func TestConfigFileErrors(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): ": no such file or directory",
		dir:                             ": is a directory",
	} {
		_, _, err := Load(path, []string{"SLUICE_LOG_LEVEL=loud"})
		if err == nil || !strings.HasPrefix(err.Error(), path+want+"\nSLUICE_LOG_LEVEL: ") {
			t.Errorf("got %v, want %s%s and the environment's error", err, path, want)
		}
	}
}
