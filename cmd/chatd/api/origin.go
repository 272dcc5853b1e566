package api

import "net/http"

// allowOrigin lets the pages of origins that may connect read the answer, and tells a
// browser that asks first what they may send (Fetch §3.2). Who else calls is no
// browser, and needs a token in any case.
func (a *API) allowOrigin(answer http.Header, r *http.Request) {
	answer.Set("Vary", "Origin")
	origin := r.Header["Origin"]
	if len(origin) != 1 || !a.server.AllowsOrigin(origin[0], r.Host) {
		return
	}
	answer.Set("Access-Control-Allow-Origin", origin[0])
	answer.Set("Access-Control-Expose-Headers", "Retry-After")
	if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
		answer.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, DELETE")
		answer.Set("Access-Control-Allow-Headers", "Authorization, Content-Type")
		answer.Set("Access-Control-Max-Age", "600")
	}
}
