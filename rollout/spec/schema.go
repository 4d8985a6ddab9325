package spec

import _ "embed" // for Schema

// Schema is the JSON Schema (draft 2020-12) of the file, for editors. What the
// parser accepts, it accepts; it knows no rules between steps and no durations'
// limits.
//
//go:embed rollout.schema.json
var Schema string
