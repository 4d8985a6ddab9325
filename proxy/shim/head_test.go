package shim

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/net/html"
	"pgregory.net/rapid"
)

// In these pages ^ stands where the tag belongs.
var withHead = []string{
	"<head>^", "<html><head>^<title>x</title>", "<!doctype html><html lang=en><head>^\n<meta charset=utf-8>", "\ufeff<head>^",
	" \t\r\n\f<!DOCTYPE html PUBLIC \"-//W3C//DTD\">\n<HTML>\n<HEAD>^<x", "<head/>^x", "<head />^x", "<head\n>^", "<head\f>^", "<head a>^>", "<head a=b>^>",
	`<html a="<head>" b='>'><head c="a>b" d='"<body>' e=f>^<head>`, `<head a = "x>y">^`, `<head a "x>^y">`, `<head a=x"y>^z">`, `<head "x>^">`, `<head a=>^b>`,
	`<head/a=">">^`, `<head a/=">^">`, `<head =">^">`, `<head a=b/>^`,
	"<!-- <head> --><head>^", "<!--><head>^-->", "<!---><head>^-->", "<!-- --!><head>^ -->", "<!-- -- > <head> --> <head>^", "<!--a--!-><head>--><head>^", "<!----!><head>^",
	"<?xml version='1.0'?><html xmlns='x'><head>^", "<!x <head <html><head>^", "<![CDATA[ <head ><head>^]]>", "<!><head>^", "</><head>^", "</ body><head>^", "</1 ><head>^",
	"<!DOCTYPE a \"x><head>^", "<!doctype><head>^", "<!doctypehtml><head>^", "<html><!-- x --> <html a=b> <!doctype html><head>^",
}

var withoutHead = []string{
	"", " \n", "\ufeff", "\ufeff\ufeff<head>", "x<head>", "<html>x<head>", "\xef\xbb<head>", "\x00<head>", "<div>a fragment</div>", "<header>", "<head\x00>", "<headd><head>",
	"<html><body><head>", "<title>x</title><head>", "<html><meta charset=utf-8><head>", "<script></script><head>", "<html><p><head>", "<template><head></template>",
	"</p><head>", "</head><head>", "<html></html><head>", "< head>", "<\nhead>", "<&gt;<head>", "&lt;<head>", "<html", "<head", "<head a=\"", "<head a=\">", "<!-- <head>", "<!-", "<",
	"<!doctype html <head", "<!DOCTYPE a \"<head>\">", "{\"json\": \"<head>\"}", "<\x00h\x00e\x00a\x00d\x00>\x00", "\xff\xfe<\x00h\x00e\x00a\x00d\x00>\x00", "<svg><head>", "<frameset><head>",
	"<!--" + strings.Repeat(" ", mostAhead) + "--><head>", "<head a='" + strings.Repeat(" ", mostAhead) + "'>",
}

// through sends a page through Inject, in pieces as the reader has them.
func through(t fataler, page io.Reader, header http.Header) (string, Result, *http.Response) {
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", "text/html")
	}
	r, err := http.NewRequest(http.MethodGet, "http://app.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp := &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(page), ContentLength: -1, Request: r}
	result := Inject(resp)
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(got), result, resp
}

func TestHeads(t *testing.T) {
	for _, page := range withHead {
		before, after, _ := strings.Cut(page, "^")
		for name, reader := range readers(before + after) {
			if got, result, _ := through(t, reader, http.Header{}); got != before+tag("")+after || result != Injected {
				t.Errorf("%.60q %s: %s %.90q", page, name, result, got)
			}
		}
	}
	for _, page := range withoutHead {
		for name, reader := range readers(page) {
			if got, result, _ := through(t, reader, http.Header{}); got != page || result != NoHead {
				t.Errorf("%.60q %s: %s %.90q", page, name, result, got)
			}
		}
	}
}

func readers(page string) map[string]io.Reader {
	in := func() io.Reader { return strings.NewReader(page) }
	all := map[string]io.Reader{"at once": in(), "with its end": iotest.DataErrReader(in())}
	if len(page) < mostAhead { // or it would take its time
		all["by bytes"], all["by halves"] = iotest.OneByteReader(in()), iotest.HalfReader(in())
	}
	return all
}

// A head that is full of room for it is found up to the last byte.
func TestTheLastByteOfWhatIsReadAhead(t *testing.T) {
	for over, want := range []Result{Injected, NoHead} {
		page := "<!--" + strings.Repeat(" ", mostAhead+over-len("<!----><head>")) + "--><head>"
		if _, got, _ := through(t, strings.NewReader(page+"<p>"), http.Header{}); got != want {
			t.Errorf("a head that ends at %d: %s", len(page), got)
		}
	}
}

// pieces make pages in which much may go wrong.
var pieces = []string{"<!doctype html>", "<html>", "<head>", "<HEAD a=\">\">", "<head ", "<header>", "<body>", "<!--", "-->", "--!>", "-", "!", "<", ">", "</", "/", "'", "\"", "=", " ", "\n",
	"<title>", "</title>", "<script>", "</script>", "<?x", "x", "\ufeff", "\xef", "\x00", "<meta charset=x>", "<p>", "</head>", "<frameset>", "<template>"}

// However a page arrives, the tag stands in one place or nowhere.
func TestModelAnySplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		page := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 20).Draw(t, "pieces"), "")
		cuts := rapid.SliceOf(rapid.IntRange(1, 8)).Draw(t, "cuts")
		checkPage(t, page, cuts)
	})
}

func FuzzAnySplit(f *testing.F) {
	for _, page := range withHead {
		f.Add(strings.ReplaceAll(page, "^", ""), []byte{1, 7, 3})
	}
	f.Fuzz(func(t *testing.T, page string, sizes []byte) {
		if len(page) > 4000 { // html.Parse is no part of this
			return
		}
		var cuts []int
		for _, size := range sizes {
			cuts = append(cuts, int(size))
		}
		checkPage(t, page, cuts)
	})
}

type fataler interface {
	Fatal(...any)
	Fatalf(string, ...any)
}

func checkPage(t fataler, page string, cuts []int) {
	whole, result, _ := through(t, strings.NewReader(page), http.Header{})
	split, other, _ := through(t, &inPieces{strings.NewReader(page), cuts}, http.Header{})
	if split != whole || other != result {
		t.Fatalf("%q: %s %q at once, %s %q in pieces", page, result, whole, other, split)
	}
	if result == NoHead {
		if whole != page {
			t.Fatalf("%q became %q", page, whole)
		}
		return
	}
	before, after, ok := strings.Cut(whole, tag(""))
	if !ok || before+after != page && !strings.Contains(page, tag("")) {
		t.Fatalf("%q became %q", page, whole)
	}
	checkTree(t, page, whole)
}

// checkTree looks at the page as a whole parser reads it: the tag is the first thing
// in the head, and nothing else has changed.
func checkTree(t fataler, page, injected string) {
	tree := parse(t, injected)
	head := find(tree, "head")
	script := head.FirstChild
	if script == nil || script.Data != "script" || script.Attr[0].Val != Script {
		t.Fatalf("%q: not the first in its head", injected)
	}
	head.RemoveChild(script)
	if got, want := rendered(t, tree), rendered(t, parse(t, page)); got != want {
		t.Fatalf("%q was %q and is %q", page, want, got)
	}
}

func parse(t fataler, page string) *html.Node {
	tree, err := html.Parse(strings.NewReader(strings.TrimPrefix(page, "\ufeff"))) // decoding takes that off
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func find(tree *html.Node, name string) *html.Node {
	for node := range tree.Descendants() {
		if node.Data == name {
			return node
		}
	}
	return nil
}

func rendered(t fataler, tree *html.Node) string {
	var out bytes.Buffer
	if err := html.Render(&out, tree); err != nil && !strings.Contains(err.Error(), "html:") {
		t.Fatal(err)
	}
	return out.String()
}

// inPieces reads by sizes that are given, and then all that is left; 0 reads nothing.
type inPieces struct {
	in    io.Reader
	sizes []int
}

func (r *inPieces) Read(p []byte) (int, error) {
	if len(r.sizes) == 0 {
		return r.in.Read(p)
	}
	size := min(r.sizes[0], len(p))
	r.sizes = r.sizes[1:]
	return r.in.Read(p[:size])
}
