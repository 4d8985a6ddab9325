package proxy

import (
	"encoding/json"
	"errors"
	"io"

	"sluice/proxy/config"
	"sluice/rollout"
	"sluice/rollout/spec"
)

// rolloutCommand is the commands about the rollout.
type rolloutCommand struct {
	Plan    planCommand    `cmd:"" help:"Tell what the rollout would do, when, and to how many users."`
	Status  statusCommand  `cmd:"" help:"Tell where the rollout is, what it waits for, and how it got there."`
	Promote promoteCommand `cmd:"" help:"End the step that is under way."`
	Abort   abortCommand   `cmd:"" help:"Take users back to the weight of spec.rollback."`
	Retry   retryCommand   `cmd:"" help:"Begin again after an abort."`
	Pause   pauseCommand   `cmd:"" help:"Stay at the step that is under way."`
	Resume  resumeCommand  `cmd:"" help:"Go on after a pause."`
	Export  exportCommand  `cmd:"" help:"Write the flag file with the rollout's weight and stream in place of its own."`
	Schema  schemaCommand  `cmd:"" help:"Print the JSON Schema of the rollout file, for editors."`
}

type planCommand struct {
	configFlag `embed:""`
	Users      uint   `placeholder:"N" help:"How many users there are. Without it: shares only."`
	Output     string `enum:"text,json" default:"text" help:"text or json."`
}

// Run prints the plan.
func (k *planCommand) Run(p Process) error {
	c, err := k.load(p)
	if err != nil {
		return err
	}
	s, err := loadSpec(c)
	if err != nil {
		return err
	}
	site, err := rolloutSite(c)
	if err != nil {
		return err
	}
	plan := s.Plan(site, int(k.Users))
	if k.Output == "json" {
		return printJSON(p.Stdout, plan)
	}
	_, err = io.WriteString(p.Stdout, plan.String())
	return err
}

// printJSON prints one value for scripts.
func printJSON(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // queries are full of comparisons
	e.SetIndent("", "  ")
	return e.Encode(value)
}

// loadSpec reads the rollout file, which must be named.
func loadSpec(c config.Config) (spec.Spec, error) {
	if c.Rollout.Spec == "" {
		return spec.Spec{}, errors.New("rollout.spec: is empty; set it to the rollout file, in the file or as SLUICE_ROLLOUT_SPEC")
	}
	return spec.Load(c.Rollout.Spec)
}

// rolloutSite is what the configuration says that concerns a rollout.
func rolloutSite(c config.Config) (spec.Site, error) {
	baseline, err := rollout.ReadBaseline(c.Rollout.Flags)
	return spec.Site{
		Baseline: baseline, Flags: c.Rollout.Flags != "",
		PollInterval: c.Poll.Interval, OldPageDuration: c.Compat.OldPageDuration, AuditRatio: c.Cache.AuditRatio, ShadowRatio: c.Rollout.ShadowRatio,
	}, err
}

type schemaCommand struct{}

// Run prints the schema.
func (schemaCommand) Run(p Process) error {
	_, err := io.WriteString(p.Stdout, spec.Schema)
	return err
}
