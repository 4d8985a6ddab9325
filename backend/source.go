package backend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Caller is on whose behalf a source is read: a user whose credential has been
// verified, and that credential, which a source may show to the app.
type Caller struct {
	User  string
	Token string // the credential itself; never logged
	Via   Via
}

// Via is how a credential came, and so how the app is shown it.
type Via uint8

// The ways of a credential.
const (
	Cookie Via = iota
	Bearer     // Authorization: Bearer
	Header     // a header of its own, which a trusted proxy set
)

// Authorize puts the credential into a request to the app, as it came. name is that
// of the cookie or of the header.
func (c Caller) Authorize(h http.Header, name string) {
	switch c.Via {
	case Cookie:
		h.Set("Cookie", name+"="+c.Token)
	case Bearer:
		h.Set("Authorization", "Bearer "+c.Token)
	case Header:
		h.Set(name, c.Token)
	}
}

// Query is one poll. At most one of After and Before is set; both are opaque
// text from the client, a cursor of ours or the id of an item.
type Query struct {
	After  string
	Before string
	Limit  int // 1..100
}

// Check is how a cursor fared against the rows behind it.
type Check string

// The results of a check; a read without a cursor has none.
const (
	CheckEqual Check = "equal" // nothing has changed behind the cursor, or it is settled
	CheckLate  Check = "late"  // a row slid in or went away: the look-back is sent again
	CheckGap   Check = "gap"   // the source does not reach back far enough to tell
	CheckBare  Check = "bare"  // the id of an item, which carries no checksum
)

// Page answers a Query.
type Page struct {
	Items    []Notification // oldest first
	Repeated int            // so many of the first Items stood behind the cursor and were probably sent before
	Marks    []Cursor       // Marks[i] is where a reader stands after Items[Repeated+i]
	Place    string         // where the reader stands after the page: a sealed cursor; empty for Before
	More     bool           // poll again at once: more follow (for Before: older ones exist)
	Reset    bool           // the reader's place could not be kept: the newest items, some of them seen before
	Check    Check
	Now      int64   // the source's clock, in microseconds since 1970
	Latest   *Latest // what later empty polls can be answered from; nil when the page does not tell
}

// Source reads one user's notifications out of the app's data. Read is safe for
// concurrent use, returns an *Error when it fails, and keeps nothing of the
// caller.
type Source interface {
	Read(ctx context.Context, c Caller, q Query) (Page, error)
}

// Fault says whose fault a failed read is, and so which answer it deserves.
type Fault string

// The faults a source reports.
const (
	Unauthorized Fault = "unauthorized" // the app does not accept the credential
	OutOfReach   Fault = "out_of_reach" // the source cannot see that far back
	BadAnswer    Fault = "bad_answer"   // the app refused or answered something unusable
	Unavailable  Fault = "unavailable"  // the store is down
	TooLate      Fault = "too_late"     // no answer in time
	Canceled     Fault = "canceled"     // the caller went away; nobody's fault
)

// Error is a failed read. Detail may be shown to the client; Err may not.
type Error struct {
	Fault  Fault
	Detail string
	Err    error
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Detail
	}
	return fmt.Sprintf("%s: %v", e.Detail, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// FaultOf is the fault of a source's error; errors of other kinds count as
// Unavailable.
func FaultOf(err error) Fault {
	var e *Error
	if errors.As(err, &e) {
		return e.Fault
	}
	return Unavailable
}

// Failed wraps the cause of a failed read; a context that ended decides over
// the fault given.
func Failed(ctx context.Context, fault Fault, detail string, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		fault, detail = Canceled, "the caller went away"
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		fault, detail = TooLate, "no answer in time"
	}
	return &Error{Fault: fault, Detail: detail, Err: err}
}
