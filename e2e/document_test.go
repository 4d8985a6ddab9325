package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sluice/internal/servertest"
)

// document is a Markdown file whose fenced blocks are run, each at least once, the
// first time in the document's order.
type document struct {
	t       *testing.T
	text    string
	blocks  []*block
	folder  string            // in which its commands run
	environ []string          // of its commands
	stands  map[string]string // for addresses and times that the document names
}

// block is one fenced block.
type block struct {
	language, text string
	file           string // what it is to be written to: the first `name` of the paragraph before it
	done           bool
}

var (
	fenced = regexp.MustCompile("(?ms)^( *)```([a-z]+)\n(.*?)^ *```$")
	inline = regexp.MustCompile("`([^`\n]+)`")
)

// readDocument reads a file up to a heading.
func readDocument(t *testing.T, path, until string) *document {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text, _, found := strings.Cut(string(content), until)
	if !found {
		t.Fatalf("%s has no %q", path, until)
	}
	d := &document{t: t, text: text, folder: t.TempDir(), stands: map[string]string{}}
	for _, at := range fenced.FindAllStringSubmatchIndex(text, -1) {
		before := strings.Split(strings.TrimSpace(text[:at[0]]), "\n\n")
		b := &block{language: text[at[4]:at[5]], text: strings.ReplaceAll("\n"+text[at[6]:at[7]], "\n"+text[at[2]:at[3]], "\n")[1:]}
		if m := inline.FindStringSubmatch(before[len(before)-1]); m != nil {
			b.file = m[1]
		}
		d.blocks = append(d.blocks, b)
	}
	return d
}

// next is the first block that is not done; it must be of a language and contain a
// text, so that who reads the test knows which one it is.
func (d *document) next(language, contains string) string {
	d.t.Helper()
	i := slices.IndexFunc(d.blocks, func(b *block) bool { return !b.done })
	if i < 0 || d.blocks[i].language != language || !strings.Contains(d.blocks[i].text, contains) {
		d.t.Fatalf("want a %s block with %q next, and not %+v", language, contains, d.blocks[max(i, 0)])
	}
	d.blocks[i].done = true
	return d.here(d.blocks[i].text)
}

// here puts this test's addresses and times in the place of the document's.
func (d *document) here(text string) string {
	for from, to := range d.stands {
		text = strings.ReplaceAll(text, from, to)
	}
	return text
}

// write writes the next block to the file that the document says. Each text that is
// replaced must be there.
func (d *document) write(file, language string, replace ...string) {
	d.t.Helper()
	i := slices.IndexFunc(d.blocks, func(b *block) bool { return !b.done })
	if i < 0 || d.blocks[i].file != file {
		d.t.Fatalf("want %s next, and not %+v", file, d.blocks[max(i, 0)])
	}
	text := d.next(language, "")
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			d.t.Errorf("%s does not say %q any more", file, replace[i])
		}
		text = strings.ReplaceAll(text, replace[i], replace[i+1])
	}
	d.put(file, text)
}

// put writes a file that the document takes for granted.
func (d *document) put(file, text string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.folder, file), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// run runs the next block, and returns what it prints. It must succeed.
func (d *document) run(contains string) string {
	d.t.Helper()
	return d.shell(d.next("sh", contains))
}

// again runs a block that has been run already.
func (d *document) again(contains string) string {
	d.t.Helper()
	i := slices.IndexFunc(d.blocks, func(b *block) bool { return b.done && strings.Contains(b.text, contains) })
	return d.shell(d.here(d.blocks[i].text))
}

func (d *document) shell(text string) string {
	d.t.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", text)
	cmd.Dir, cmd.Env = d.folder, d.environ
	out, err := cmd.CombinedOutput()
	if err != nil {
		d.t.Fatalf("%s%v\n%s", text, err, out)
	}
	return string(out)
}

// start starts a command that goes on.
func (d *document) start(text string) *servertest.Process {
	d.t.Helper()
	return servertest.StartProcess(d.t, d.environ, "/usr/bin/env", "-C", d.folder, "bash", "-c", "exec "+strings.TrimSpace(text))
}

// allDone fails the test for each block that was not run, and for each command in
// the text that no block has.
func (d *document) allDone() {
	d.t.Helper()
	var all strings.Builder
	for _, b := range d.blocks {
		all.WriteString(b.text)
		if !b.done {
			d.t.Errorf("this was not run:\n%s", b.text)
		}
	}
	for _, m := range inline.FindAllStringSubmatch(d.text, -1) {
		if strings.HasPrefix(m[1], "sluice ") && !strings.Contains(all.String(), m[1]) {
			d.t.Errorf("the text names a command that no block runs: %s", m[1])
		}
	}
}
