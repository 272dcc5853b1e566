package api

import (
	"strconv"
	"strings"
	"sync/atomic"
)

// counts are how many requests there were, by the pattern that they matched and the
// class of the answer's status. The map is static once the API has begun.
type counts map[string]*count

// count is that of a pattern.
type count struct{ classes [6]atomic.Uint64 }

func (c *count) note(status int) { c.classes[status/100].Add(1) }

// add makes sure that there is one for the pattern, whatever its method.
func (c *counts) add(pattern string) *count {
	if *c == nil {
		*c = make(counts)
	}
	route := pattern[strings.IndexByte(pattern, '/'):]
	if (*c)[route] == nil {
		(*c)[route] = new(count)
	}
	return (*c)[route]
}

func (c counts) note(route string, status int) { c[route].note(status) }

// Requests calls yield with how many requests there were of a route, / for what is
// none, whose answers are of a class, as 2xx.
func (a *API) Requests(yield func(route, class string, n uint64)) {
	for route, count := range a.counts {
		for class := 2; class <= 5; class++ {
			yield(route, strconv.Itoa(class)+"xx", count.classes[class].Load())
		}
	}
}
