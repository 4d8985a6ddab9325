// Package bundle builds the browser client from its TypeScript source, the same
// way for the committed script, for the tests in Go and for those in Node.
package bundle

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/evanw/esbuild/pkg/api"
)

// Scripts are the files that browsers load, without their endings.
var Scripts = []string{"client", "eventsource"}

// Script builds one file that browsers load from the source file of that name in
// dir: an immediately invoked function, minified. Equal sources give equal bytes.
func Script(dir, name, version string) ([]byte, error) {
	options := settings(version)
	options.EntryPoints = []string{filepath.Join(dir, name+".ts")}
	options.Bundle = true
	options.Format = api.FormatIIFE
	options.MinifyWhitespace = true
	options.MinifySyntax = true
	options.MinifyIdentifiers = true
	options.Banner = map[string]string{"js": "/* Sluice " + name + " " + version + " */"}
	files, err := run(options)
	if err != nil {
		return nil, err
	}
	return files[0].Contents, nil
}

// Modules translates every source file in dir into an ES module in out, so
// that tests can import the parts of the script one by one.
func Modules(dir, out, version string) error {
	sources, err := filepath.Glob(filepath.Join(dir, "*.ts"))
	if err != nil {
		return err
	}
	options := settings(version)
	options.EntryPoints = sources
	options.Outdir = out
	options.Format = api.FormatESModule
	options.Write = true
	_, err = run(options)
	return err
}

// settings are those that the script and its tested parts must have in common.
func settings(version string) api.BuildOptions {
	return api.BuildOptions{
		Target:   api.ES2020,
		Charset:  api.CharsetUTF8,
		Define:   map[string]string{"SLUICE_VERSION": fmt.Sprintf("%q", version)},
		LogLevel: api.LogLevelSilent,
		// The source decides, not what lies in a folder above it.
		TsconfigRaw: `{"compilerOptions": {"strict": true, "alwaysStrict": false, "useDefineForClassFields": false, "verbatimModuleSyntax": true}}`,
	}
}

func run(options api.BuildOptions) ([]api.OutputFile, error) {
	result := api.Build(options)
	if messages := slices.Concat(result.Errors, result.Warnings); len(messages) > 0 {
		lines := api.FormatMessages(messages, api.FormatMessagesOptions{})
		errs := make([]error, len(lines))
		for i, line := range lines {
			errs[i] = errors.New(line)
		}
		return nil, fmt.Errorf("build the browser client: %w", errors.Join(errs...))
	}
	return result.OutputFiles, nil
}
