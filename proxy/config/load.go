package config

import (
	"errors"
	"fmt"
)

// A setting is one value for one key, from the file or the environment.
type setting struct {
	key    string
	texts  []string // one, or those of a list
	list   bool     // written as a list
	origin string   // "sluice.yaml:7:13" or "SLUICE_POLL_INTERVAL"
}

// A loader collects settings and what is wrong with them.
type loader struct {
	config   Config
	set      map[string]setting // the setting that counts, by key
	errs     []error
	warnings []string
}

// add lays settings over those added before.
func (l *loader) add(settings []setting, errs []error) {
	for _, s := range settings {
		l.set[s.key] = s
	}
	l.errs = append(l.errs, errs...)
}

// apply puts every setting into the configuration.
func (l *loader) apply() {
	for _, o := range options {
		s, ok := l.set[o.key]
		if !ok {
			continue
		}
		if err := l.applyOne(o, s); err != nil {
			l.errs = append(l.errs, fmt.Errorf("%s: %s: %w", s.origin, o.key, err))
		}
	}
}

func (l *loader) applyOne(o option, s setting) error {
	switch {
	case s.list && !o.list():
		return errors.New("wants one value, not a list")
	case !s.list && o.list():
		return fmt.Errorf("wants a list such as [%s]", o.fallback)
	case o.fileOf == "":
		return o.assign(&l.config, s.texts)
	case s.texts[0] == "":
		return nil
	}
	if value, ok := l.set[o.fileOf]; ok && value.texts[0] != "" {
		return fmt.Errorf("%s is set too (%s); keep one of them", o.fileOf, value.origin)
	}
	return o.assign(&l.config, s.texts)
}

// origin is where the value of key comes from, "" for a default.
func (l *loader) origin(key string) string {
	if s, ok := l.set[key+fileSuffix]; ok && s.texts[0] != "" {
		return s.origin
	}
	return l.set[key].origin
}
