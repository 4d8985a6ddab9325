package config

import (
	"fmt"
	"io"
)

const redacted = "[redacted]"

// Secret is a text that shows itself only to those who ask with Value. Printed, logged or marshalled it is "[redacted]", or
// nothing when it is empty. The zero Secret is empty.
//
// The text is behind a pointer because package fmt calls no methods on unexported fields: it prints an address there, where a
// string would show. Compare secrets by Value.
type Secret struct{ text *string }

// NewSecret hides text.
func NewSecret(text string) Secret { return Secret{&text} }

// Value is the secret itself.
func (s Secret) Value() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// String gives "[redacted]", or "" for an empty secret.
func (s Secret) String() string {
	if s.Value() == "" {
		return ""
	}
	return redacted
}

// GoString is String, quoted.
func (s Secret) GoString() string { return fmt.Sprintf("%q", s.String()) }

// Format keeps every verb of package fmt from looking inside.
func (s Secret) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		io.WriteString(f, s.GoString())
		return
	}
	io.WriteString(f, s.String())
}

// MarshalText is String, for JSON and loggers.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes any text.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}
