package config

import (
	"fmt"
	"slices"
	"strings"
)

const envPrefix = "SLUICE_"

// envName is the environment variable of a key: redis.url becomes SLUICE_REDIS_URL.
func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// readEnv picks Sluice's settings out of an environment and warns about SLUICE_ variables that are none. It skips empty ones.
func readEnv(environ []string) (settings []setting, warnings []string) {
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, envPrefix) || value == "" {
			continue
		}
		i := slices.IndexFunc(options, func(o option) bool { return o.env == name })
		if i < 0 {
			warnings = append(warnings, fmt.Sprintf("%s: unknown variable, ignored%s", name, didYouMean(name, envNames())))
			continue
		}
		o := options[i]
		s := setting{key: o.key, texts: []string{value}, list: o.list(), origin: name}
		if s.list {
			s.texts = splitList(value)
		}
		settings = append(settings, s)
	}
	return settings, warnings
}

func envNames() []string {
	names := make([]string, 0, len(options))
	for _, o := range options {
		names = append(names, o.env)
	}
	return names
}

// splitList splits "a, b" at its commas.
func splitList(text string) []string {
	parts := strings.Split(text, ",")
	for i, part := range parts {
		parts[i] = strings.TrimSpace(part)
	}
	return parts
}
