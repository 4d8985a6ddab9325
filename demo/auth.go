package demo

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// sessionLength is how long a sign-in lasts. Nothing renews it.
const sessionLength = 12 * time.Hour

// users may sign in, by name alone. The name is the user's id too.
var users = []string{"alice", "bob", "carol"}

type claims struct {
	UserID string `json:"user_id"`
	jwt.RegisteredClaims
}

// userHandler is a handler that runs for a signed-in user only.
type userHandler func(w http.ResponseWriter, r *http.Request, user string)

// signedIn lets only signed-in users through.
func (a *App) signedIn(next userHandler) http.HandlerFunc { return signedIn(a.key, next) }

func signedIn(key []byte, next userHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user := userOf(r, key)
		if user == "" {
			writeDetail(w, http.StatusUnauthorized, "Authentication required")
			return
		}
		next(w, r, user)
	}
}

func (a *App) user(r *http.Request) string { return userOf(r, a.key) }

// userOf is the id in the request's token: the cookie access_token, else a
// bearer token. It is empty when there is no valid one. Any id that is signed
// with the key counts, not only those of users.
func userOf(r *http.Request, key []byte) string {
	var c claims
	_, err := jwt.ParseWithClaims(token(r), &c,
		func(*jwt.Token) (any, error) { return key, nil }, jwt.WithValidMethods([]string{"HS256"}))
	if err != nil {
		return ""
	}
	return c.UserID
}

func token(r *http.Request) string {
	if c, err := r.Cookie("access_token"); err == nil && c.Value != "" {
		return c.Value
	}
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(value)
}

// csrf lets a request through that repeats the csrf_token cookie where another
// site's page cannot: in a header, or in a form field.
func csrf(next userHandler) userHandler {
	return func(w http.ResponseWriter, r *http.Request, user string) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		sent := r.Header.Get("X-CSRF-Token")
		if sent == "" {
			sent = r.PostFormValue("csrf_token")
		}
		c, err := r.Cookie("csrf_token")
		if err != nil || c.Value == "" || subtle.ConstantTimeCompare([]byte(c.Value), []byte(sent)) == 0 {
			writeDetail(w, http.StatusForbidden, "CSRF token missing or wrong")
			return
		}
		next(w, r, user)
	}
}

// login answers POST /login (form field user).
func (a *App) login(w http.ResponseWriter, r *http.Request) { admit(w, r, a.key) }

// admit gives the browser a token for the user that it names, and sends it to
// the start page.
func admit(w http.ResponseWriter, r *http.Request, key []byte) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	user := r.PostFormValue("user")
	if !slices.Contains(users, user) {
		writeDetail(w, http.StatusBadRequest, "Unknown user: sign in as "+strings.Join(users, ", "))
		return
	}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		UserID:           user,
		RegisteredClaims: jwt.RegisteredClaims{ExpiresAt: jwt.NewNumericDate(time.Now().Add(sessionLength))},
	}).SignedString(key)
	if err != nil {
		writeFault(w)
		return
	}
	setCookie(w, "access_token", signed, true, int(sessionLength.Seconds()))
	setCookie(w, "csrf_token", rand.Text(), false, int(sessionLength.Seconds()))
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// logout answers POST /logout.
func (a *App) logout(w http.ResponseWriter, r *http.Request) {
	setCookie(w, "access_token", "", true, -1)
	setCookie(w, "csrf_token", "", false, -1)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// setCookie sets a cookie for maxAge seconds, or deletes it when that is
// negative. Pages read csrf_token, so it is not HttpOnly.
func setCookie(w http.ResponseWriter, name, value string, httpOnly bool, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: httpOnly, SameSite: http.SameSiteLaxMode,
	})
}

// me answers GET /auth/me.
func (a *App) me(w http.ResponseWriter, _ *http.Request, user string) {
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, map[string]string{"user_id": user})
}
